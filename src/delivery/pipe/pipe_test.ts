import { internalAddress } from "../../address/address.ts";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostileText } from "../../../test/kit/memory/hostile_text.ts";
import { contentOf } from "../../../test/kit/memory/memory_store.ts";
import type { Envelope, QueueId, Recipient } from "../../queue/envelope.ts";
import type { MailTask, TaskResult } from "../mailbox/writer.ts";
import { createPipeAgent } from "./pipe_agent.ts";
import { pipeArguments, unknownMacro } from "./pipe_arguments.ts";
import { parsePipe, type PipeConfig } from "./pipe_config.ts";

function config(...args: string[]): PipeConfig {
  const parsed = parsePipe("box", ["user=nobody", ...args]);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

const recipient = (address: string): Recipient => ({
  address: internalAddress(address),
  original: internalAddress(address),
  notify: 0,
});

const ENVELOPE: Envelope = {
  id: "ID1" as QueueId,
  arrival: 0,
  sender: internalAddress("S a@Example.ORG"),
  recipients: [],
  origin: { clientAddress: "192.0.2.1", helo: "h" },
};

const message = (envelope: Partial<Envelope>, ...addresses: string[]) => ({
  envelope: { ...ENVELOPE, ...envelope },
  recipients: addresses.map(recipient),
  nexthop: "Next.Hop",
  size: 42,
});

test("parsePipe() reads attributes, argv last", () => {
  expect(
    config(
      "flags=DRhu",
      "eol=\\r\\n",
      "null_sender=",
      "size=10",
      "directory=/x",
      "argv=/bin/cat",
      "-f",
      "a=b",
    ),
  )
    .toMatchObject({
      user: "nobody",
      eol: "\r\n",
      nullSender: "",
      size: 10,
      directory: "/x",
      argv: ["/bin/cat", "-f", "a=b"],
    });
  expect(parsePipe("box", ["user=a:b", "argv=x"])).toMatchObject({ user: "a", group: "b" });
});

test("parsePipe() names what is wrong", () => {
  const rows = [
    [["argv=x"], "missing user= attribute"],
    [["user=a"], "missing argv= attribute"],
    [["user=a", "flags=Z", "argv=x"], "unknown flag in flags=Z"],
    [["user=a", "color=red", "argv=x"], 'unknown attribute "color=red"'],
    [["user=a", "size=big", "argv=x"], "bad size=big"],
    [["user=a", "chroot=/x", "argv=x"], "chroot= is not supported"],
  ] as const;
  for (const [args, why] of rows) expect(parsePipe("box", args)).toContain(why);
  expect(unknownMacro(["$sender", "${nosuch}"])).toBe("nosuch");
});

test("an argument with a recipient's macro is repeated for each recipient", () => {
  const argv = config(
    "argv=/bin/x",
    "-f",
    "$sender",
    "-r",
    "to=${recipient}",
    "$(user)+$extension",
    "$$ $size $nexthop",
  );
  expect(pipeArguments(message({}, "a+x@D.example", "b@e.example"), argv, "+")).toEqual([
    "/bin/x",
    "-f",
    "S a@Example.ORG",
    "-r",
    "to=a+x@D.example",
    "to=b@e.example",
    "a+x",
    "b+",
    "$ 42 Next.Hop",
  ]);
});

test("an argument is one argument, whatever the envelope says", () => {
  const argv = config("argv=/bin/x", "-f", "$sender", "$recipient", "$envid", "$client_helo");
  fc.assert(fc.property(hostileText, (text) => {
    const filled = pipeArguments(
      message({ sender: internalAddress(text), envid: text, origin: { helo: text } }, text),
      argv,
      "+",
    );
    expect(filled).toHaveLength(6);
    expect(filled.join("")).not.toContain("\0");
  }));
});

test("flags h, u and q fold case and quote", () => {
  const argv = config("flags=huq", "argv=x", "$recipient", "$user", "$domain", "$sender", "$nexthop");
  expect(pipeArguments(message({}, "A b@D.Example"), argv, "+")).toEqual([
    "x",
    '"a b"@d.example',
    "a b",
    "d.example",
    '"S a"@Example.ORG',
    "next.hop",
  ]);
  expect(pipeArguments(message({ sender: internalAddress("") }, "a@b"), config("argv=$sender"), "")).toEqual([
    "MAILER-DAEMON",
  ]);
});

test("the command's end decides, and its words are in the log", async () => {
  const rows: readonly (readonly [TaskResult, string])[] = [
    [{ is: "exit", code: 0, output: "" }, "sent 2.0.0 delivered via box service"],
    [{ is: "exit", code: 0, output: "ok\nthen" }, "sent 2.0.0 delivered via box service (ok then)"],
    [{ is: "exit", code: 0, output: "a\tb\r\x01c \n" }, "sent 2.0.0 delivered via box service (a b__c)"],
    [{ is: "exit", code: 67, output: "bad\n" }, "bounced 5.1.1 user unknown. Command output: bad "],
    [{ is: "exit", code: 75, output: "" }, "deferred 4.3.0 temporary failure"],
    [{ is: "exit", code: 1, output: "4.7.1 later" }, "deferred 4.7.1 later"],
    [{ is: "exit", code: 9, output: "" }, 'bounced 5.3.0 Command died with status 9: "/bin/x"'],
    [{ is: "signal", signal: 9, output: "" }, 'deferred 4.3.0 Command died with signal 9: "/bin/x"'],
    [{ is: "time limit" }, 'bounced 5.3.0 Command time limit exceeded: "/bin/x"'],
    [{ is: "no right", why: "no" }, 'deferred 4.3.0 cannot run command "/bin/x": no'],
  ];
  for (const [result, want] of rows) {
    const tasks: MailTask[] = [];
    const agent = createPipeAgent({
      service: "box",
      args: ["user=nobody", "argv=/bin/x"],
      settings: { queue_directory: "/q", recipient_delimiter: "", export_environment: "LANG=C" },
      timeLimit: 5,
      identityOf: () => ({ uid: 1, gid: 1 }),
      environment: () => undefined,
      writer: {
        deliverTo(_identity, task) {
          tasks.push(task);
          return Promise.resolve(result);
        },
      },
      now: () => 0,
    });
    const report = await agent.deliver({
      envelope: ENVELOPE,
      recipients: [{ index: 0, recipient: recipient("a@b") }, { index: 1, recipient: recipient("c@b") }],
      transport: "box",
      nexthop: "b",
      content: contentOf("x\r\n"),
    }, new AbortController().signal);
    expect(report.outcomes.map(({ is, detail }) => `${is} ${detail.status} ${detail.text}`)).toEqual([
      want,
      want,
    ]);
    expect(tasks[0]).toMatchObject({ argv: ["/bin/x"], directory: "/q", timeLimit: 5000 });
  }
});

test("an entry that cannot be used stops the start", () => {
  const deps = {
    service: "box",
    settings: { queue_directory: "/q", recipient_delimiter: "", export_environment: "" },
    timeLimit: 5,
    identityOf: () => "unknown user",
    environment: () => undefined,
    writer: { deliverTo: () => Promise.reject(new Error()) },
    now: () => 0,
  };
  expect(() => createPipeAgent({ ...deps, args: ["argv=x"] })).toThrow(
    "service box: missing user= attribute",
  );
  expect(() => createPipeAgent({ ...deps, args: ["user=x", "argv=x", "$y"] })).toThrow(
    'unknown macro name: "y"',
  );
  expect(() => createPipeAgent({ ...deps, args: ["user=x", "argv=x"] })).toThrow(
    "service box: user=x: unknown user",
  );
});
