// postsuper beside the real one: two queues of the same messages, the same commands, what is said, what is logged, what is where.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn } from "node:child_process";
import { askService } from "../../../src/master/control/control_client.ts";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { BINARY, type Finished, freePort, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root", "postfix");
setDefaultTimeout(240_000);

/** A message of the queue, as both show it. */
interface Shown {
  readonly queue: string;
  readonly expired: boolean;
}

/** A mail system under test. */
interface System {
  readonly port: number;
  log(): string;
  postsuper(args: readonly string[], input: string): Promise<Finished>;
  /** By id. */
  queue(): Promise<ReadonlyMap<string, Shown>>;
  /** Takes in what waits for cleanup(8), and tries what is deferred. */
  flush(): Promise<unknown>;
  stop(): Promise<unknown>;
}

const MAIN = {
  relayhost: "[127.0.0.1]:1",
  mydestination: "",
  mail_name: "Postfix",
  smtpd_sender_restrictions: "check_sender_access inline:{{held@x.example=HOLD}}",
  virtual_alias_maps: "inline:{{old@y.example=one@y.example}}",
  header_checks: "pcre:{{/^Subject: forbidden/ REJECT no such words}}",
  initial_destination_concurrency: "1",
  default_destination_concurrency_failed_cohort_limit: "1",
  minimal_backoff_time: "4000s",
};

function run(program: string, args: readonly string[], input = "", uid?: number): Promise<Finished> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { stdio: "pipe", ...(uid !== undefined && { uid }) });
    let [stdout, stderr] = ["", ""];
    child.stdin.on("error", () => {}).end(input);
    child.stdout.on("data", (chunk) => stdout += chunk);
    child.stderr.on("data", (chunk) => stderr += chunk);
    child.on("error", fail).on("close", (code) => done({ code, stdout, stderr }));
  });
}

async function theirs(): Promise<System> {
  const port = await freePort();
  const postfix = await startPostfix({
    main: MAIN,
    master: `127.0.0.1:${port} inet n - n - - smtpd\npickup unix n - n 60 1 pickup\n` +
      "showq unix n - n - - showq\nflush unix n - n 1000? 0 flush",
  });
  const config = ["-c", postfix.configDirectory];
  return {
    port,
    log: () => postfix.log(),
    postsuper: (args, input) => run("/usr/sbin/postsuper", [...config, ...args], input),
    async queue() {
      const { stdout } = await run("/usr/sbin/postqueue", [...config, "-j"]);
      return new Map(
        stdout.trimEnd().split("\n").filter((line) => line !== "").map((line) => {
          const { queue_id, queue_name, forced_expire } = JSON.parse(line);
          return [queue_id, { queue: queue_name, expired: forced_expire }];
        }),
      );
    },
    flush: () => run("/usr/sbin/postqueue", [...config, "-f"]),
    stop: () => postfix.stop(),
  };
}

async function ours(workers: number): Promise<System> {
  const main = Object.entries(MAIN).map(([name, value]) => `${name} = ${value}`);
  const server = await startServer({ mainCf: [...main, `worker_processes = ${workers}`] });
  return {
    port: server.port,
    log: () => server.log(),
    postsuper: (args, input) => run(BINARY, ["postsuper", "-c", server.configDirectory, ...args], input),
    async queue() {
      const rows = new Map<string, Shown>();
      const { queueDirectory } = server;
      const row = ({ id, queue, forcedExpire }: { id: string; queue: string; forcedExpire: boolean }) =>
        void rows.set(id, { queue, expired: forcedExpire });
      expect((await askService({ queueDirectory, verb: "list", args: {}, row })).is).toBe("done");
      return rows;
    },
    flush: () => server.mta("flush"),
    stop: () => server.stop(),
  };
}

async function send(port: number, from: string, to: readonly string[], subject = "x"): Promise<string> {
  const client = await talk(port);
  await client.say("EHLO client.example");
  await client.say(`MAIL FROM:<${from}>`);
  for (const each of to) await client.say(`RCPT TO:<${each}>`);
  await client.say("DATA");
  const reply = await client.say(`Subject: ${subject}\r\n\r\nx\r\n.`);
  client.end();
  return /queued as (\w+)/.exec(reply)![1]!;
}

/** One call: its words, where $1 to $9 stand for ids, and its standard input. */
type Call = readonly [words: string, input?: string];

/** Options and errors, each on the queue that those before have left. */
const CALLS: readonly Call[] = [
  ["-h $1"],
  ["-h $1"],
  ["-h $1 -h $2 -h $2"],
  ["-h NOSUCHID"],
  ["-h a_b -d a-b -d ../../x"],
  ["-d", ""],
  ["-x"],
  ["-H $1"],
  ["-H $3"],
  ["-H $2 deferred"],
  ["-h $3 hold"],
  ["-h $3 incoming active"],
  ["-h $3 deferred"],
  ["-h $4 trace flush"],
  ["-h $4 maildrop"],
  ["-h $4 bogus"],
  ["-H $4 bogus"],
  ["-d $4 hold bogus"],
  ["bogus"],
  ["-H ALL bogus"],
  ["-c relative -d $4"],
  ["-h -", "$4\n$5\n\nnot an id\nNOSUCHID\n$5"],
  ["-h - -H -", "$4\n"],
  ["-H $4 -h $4"],
  ["-h $4 -H $4 -h $4"],
  ["-H ALL"],
  ["-H ALL -H $1"],
  ["-h $1 -h ALL"],
  ["-h ALL hold"],
  ["-H ALL hold deferred"],
  ["-e $1"],
  ["-e $1 -e $2"],
  ["-h $2"],
  ["-f $1 -f $2"],
  ["-h $3"],
  ["-f $3 deferred"],
  ["-f $3"],
  ["-e ALL deferred"],
  ["-e ALL"],
  ["-f ALL"],
  ["-h $6 -d $7 -h $7 -d $7"],
  ["-d $6 deferred"],
  ["-d $6 hold deferred"],
  ["-s"],
  ["-S"],
  ["-p"],
  [""],
  ["-s -h $8"],
  ["-p -H $8 -s"],
  ["-d ALL hold"],
  ["-d all"],
  ["-d $1 -- deferred"],
  ["-d ALL"],
  ["-d ALL -r ALL"],
  ["-H ALL -h ALL -e ALL -f ALL"],
];

/** What was done: words and status, what is where. */
async function played(
  system: System,
): Promise<{ readonly steps: readonly unknown[]; log(): readonly string[] }> {
  const ids: string[] = [];
  for (let at = 1; at <= 8; at++) ids.push(await send(system.port, `s${at}@x.example`, [`r${at}@y.example`]));
  for (const id of ids) {
    await until(
      () => `${id} deferred:\n${system.log().slice(-2000)}`,
      () => system.log().includes(`${id}: to=`),
    );
  }
  await until(
    "all to rest",
    async () => [...(await system.queue()).values()].every(({ queue }) => queue === "deferred"),
  );
  const put = (text: string) => text.replace(/\$(\d)/g, (_, at) => ids[Number(at) - 1]!);
  const named = (text: string) => ids.reduce((all, id, at) => all.replaceAll(id, `$${at + 1}`), text);
  const steps: unknown[] = [];
  for (const [words, input] of CALLS) {
    const { code, stdout, stderr } = await system.postsuper(
      words === "" ? [] : put(words).split(" "),
      put(input ?? ""),
    );
    const left = [...await system.queue()].map(([id, { queue, expired }]) =>
      `${named(id)} ${queue} ${expired}`
    );
    // Ids of a batch are told together, and what is no id before them.
    steps.push([words, code, stdout, named(stderr).split("\n").sort(), left.sort()]);
  }
  return { steps, log: () => logged(system, named) };
}

/** What postsuper has logged. */
function logged(system: System, named: (text: string) => string): readonly string[] {
  return [...system.log().matchAll(/postfix\/postsuper\[\d+\]: (.*)/g)].map(([, text]) => named(text!))
    .sort();
}

test("every option and mistake comes to the same as with Postfix's, with one worker and with two", async () => {
  const systems = [await theirs(), await ours(1), await ours(2)] as const;
  try {
    const expected = await played(systems[0]);
    for (const system of systems.slice(1)) {
      const actual = await played(system);
      for (const [at, call] of expected.steps.entries()) expect(actual.steps[at]).toEqual(call);
      const log = expected.log();
      await until("our log to be written", () => actual.log().length >= log.length);
      expect(actual.log()).toEqual(log);
    }
  } finally {
    for (const system of systems) await system.stop();
  }
});

/** What became of messages that went through cleanup(8) again, and of those that were sent back. */
async function requeued(system: System): Promise<unknown[]> {
  const two = await send(system.port, "two@x.example", ["old@y.example", "keep@y.example"]);
  const held = await send(system.port, "held@x.example", ["r@y.example"]);
  const gone = await send(system.port, "gone@x.example", ["r@y.example"]);
  for (const id of [two, gone]) {
    await until(() => `${id} deferred:\n${system.log()}`, () => system.log().includes(`${id}: to=`));
  }
  const said = [];
  for (const words of [`-r ${two}`, `-e ${gone}`, `-f ${held}`]) {
    said.push((await system.postsuper(words.split(" "), "")).stderr);
  }
  await system.flush();
  const newId = async (old: string) => {
    const line = () =>
      new RegExp(`pickup\\[\\d+\\]: (\\w+): (uid=\\d+ from=<.*> orig_id=)${old}`).exec(system.log());
    await until(() => `${old} to come again:\n${system.log().slice(-3000)}`, () => line() !== null);
    return line()!;
  };
  const [, after, pickup] = await newId(two);
  const lines = (id: string) =>
    [...system.log().matchAll(new RegExp(`postfix/(\\w+)\\[\\d+\\]: ${id}: (.*)`, "g"))]
      .map(([, program, text]) => `${program}: ${text}`);
  const to = (id: string) =>
    [...new Set(lines(id).flatMap((line) => /(to=<.*?>, (?:orig_to=<.*?>)?)/.exec(line)?.[1] ?? []))].sort();
  await until(
    () => `all to be over:\n${system.log().slice(-3000)}`,
    () =>
      to(after!).length === 2 &&
      [held, gone].every((id) => lines(id).some((line) => line.includes("removed"))),
  );
  const end = (id: string) =>
    lines(id).filter((line) => /postsuper: |status=force-expired|notification|removed/.test(line))
      .map((line) => line.replace(/: \w+$/, ": NOTICE"));
  const ids = new Map([[two, "TWO"], [held, "HELD"], [gone, "GONE"]]);
  return [
    said.map((text) => [...ids].reduce((all, [id, name]) => all.replaceAll(id, name), text)),
    pickup!.replace(/uid=\d+/, "uid=N"),
    to(after!),
    lines(two).filter((line) => line.includes("removed")),
    end(held),
    end(gone),
    [...(await system.queue()).keys()].length,
  ];
}

test("what goes through cleanup(8) again, and what is sent back, is what Postfix makes of it", async () => {
  const systems = [await theirs(), await ours(1)] as const;
  try {
    expect(await requeued(systems[1])).toEqual(await requeued(systems[0]));
  } finally {
    for (const system of systems) await system.stop();
  }
});
