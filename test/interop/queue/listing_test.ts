// The tools that look at the queue, beside the real ones: the same messages in both, deferred with the same replies.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { BINARY, type Finished, freePort, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "root", "postfix");
setDefaultTimeout(180_000);

/** A mail system under test, with its queue. */
interface System {
  readonly port: number;
  readonly configDirectory: string;
  /** Runs a tool of it. */
  run(tool: string, ...args: string[]): Promise<Finished>;
  stopService(): Promise<unknown>;
  end(): Promise<unknown>;
}

const mainOf = (peer: SmtpPeer): Readonly<Record<string, string>> => ({
  default_transport: `smtp:[127.0.0.1]:${peer.port}`,
  mail_name: "Postfix",
  smtputf8_enable: "yes",
  line_length_limit: "2048",
  smtpd_sender_restrictions: "check_sender_access inline:{{held@example.org=HOLD}}",
});

function run(program: string, args: readonly string[], input = ""): Promise<Finished> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk) => stdout += chunk);
    child.stderr.setEncoding("utf8").on("data", (chunk) => stderr += chunk);
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("error", fail).on("close", (code) => done({ code, stdout, stderr }));
  });
}

const TOOLS: Readonly<Record<string, string>> = {
  mailq: "/usr/bin/mailq",
  postqueue: "/usr/sbin/postqueue",
  postcat: "/usr/sbin/postcat",
  postsuper: "/usr/sbin/postsuper",
  qshape: "/usr/sbin/qshape",
};

/** How a tool is told of a configuration directory. */
const directoryOption = (tool: string) => tool === "mailq" ? "-C" : "-c";

async function startTheirs(peer: SmtpPeer): Promise<System> {
  const port = await freePort();
  const postfix = await startPostfix({
    main: mainOf(peer),
    master:
      `127.0.0.1:${port} inet n - n - - smtpd\nshowq unix n - n - - showq\npickup unix n - n 60 1 pickup`,
  });
  const { configDirectory } = postfix;
  return {
    port,
    configDirectory,
    run: (tool, ...args) => run(TOOLS[tool]!, [directoryOption(tool), configDirectory, ...args]),
    stopService: () => run("/usr/sbin/postfix", ["-c", configDirectory, "stop"]),
    end: () => postfix.stop(),
  };
}

/** Ours is called by links, as an installation has them. */
async function startOurs(peer: SmtpPeer, links: string): Promise<System> {
  const mainCf = Object.entries(mainOf(peer)).map(([name, value]) => `${name} = ${value}`);
  const server = await startServer({ mainCf: [...mainCf, "worker_processes = 2"] });
  for (const tool of Object.keys(TOOLS)) {
    if (!fs.existsSync(path.join(links, tool))) fs.symlinkSync(BINARY, path.join(links, tool));
  }
  return {
    port: server.port,
    configDirectory: server.configDirectory,
    run: (tool, ...args) =>
      run(path.join(links, tool), [directoryOption(tool), server.configDirectory, ...args]),
    stopService: () => server.stop({ keep: true }),
    end: () => {
      fs.rmSync(server.directory, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

/** Replies to RCPT, by what the address begins with. */
function reply(line: string): string {
  if (line.includes("<ctl")) return '450 4.7.1 a\tb\x07c\x1b[31mred "q" \\ back/slash';
  if (line.includes("<long")) return `450 4.7.1 ${"long ".repeat(30)}words`;
  if (line.includes("<two")) return "450-4.2.2 grüße\r\n450 4.2.2 and more";
  return "450 4.2.1 the box is (full) now";
}

interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly body?: string;
}

const MAILS: readonly Mail[] = [
  { from: "<ann@example.org>", to: ["<box2@down.example>", "<box@down.example>", "<ctl@down.example>"] },
  { from: "<>", to: ["<long@down.example>"], body: `${"x".repeat(5000)}\r\n..y\r\n${"z\r\n".repeat(300)}` },
  { from: '<"a b\\"c"@example.org>', to: ['<"q q"@quoted.example>'] },
  { from: "<jürgen@ü.example> SMTPUTF8", to: ["<grüße@ü.example>", "<two@ü.example>"] },
  {
    from: "<ann@example.org> RET=HDRS ENVID=abc+2Bd BODY=8BITMIME",
    to: ["<ctl@down.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+40x@down.example"],
    body: "\xe9\r\n",
  },
  { from: "<held@example.org>", to: ["<box@down.example>"] },
  { from: `<${"l".repeat(60)}@${"long-".repeat(10)}domain.example>`, to: ["<box@a.b.c.down.example>"] },
];

/** Sends them all; the ids in their order. */
async function sendAll(port: number): Promise<string[]> {
  const client = await talk(port);
  await client.say("EHLO client.example");
  const ids: string[] = [];
  for (const [at, { from, to, body = "hello\r\n" }] of MAILS.entries()) {
    const latin = (text: string) => Buffer.from(text).toString("latin1");
    expect(await client.say(latin(`MAIL FROM:${from}`))).toStartWith("250");
    for (const each of to) expect(await client.say(latin(`RCPT TO:${each}`))).toStartWith("250");
    await client.say("DATA");
    const head =
      `Message-ID: <${at}@example>\r\nDate: Mon, 30 Nov 2026 15:16:30 +0000\r\nFrom: a@example.org\r\n` +
      `Subject: mail ${at}\r\nX-Folded: a\r\n\tb\r\n`;
    const answer = await client.say(`${head}\r\n${body}.`);
    ids.push(/queued as (\w+)/.exec(answer)?.[1] ?? `none: ${answer}`);
  }
  client.end();
  return ids;
}

let peer: SmtpPeer;
let links: string;
let both: readonly [System, System];
let ids: readonly [string[], string[]];

beforeAll(async () => {
  links = fs.mkdtempSync(path.join(os.tmpdir(), "mta-links-"));
  peer = await startSmtpPeer({ ehlo: ["8BITMIME", "SMTPUTF8", "DSN"], rcpt: reply });
  both = await Promise.all([startTheirs(peer), startOurs(peer, links)]);
  ids = [await sendAll(both[0].port), await sendAll(both[1].port)];
  for (const system of both) {
    const reasons = async () =>
      (await system.run("postqueue", "-j")).stdout.split('"delay_reason"').length - 1;
    const wanted = MAILS.flatMap(({ to }) => to).length - 1;
    await until("all but the held message to be deferred", async () => await reasons() === wanted);
  }
});

afterAll(async () => {
  await both[0].end();
  await both[1].end();
  await peer.close();
  fs.rmSync(links, { recursive: true, force: true });
});

/** Ids, times and what follows from an id's length made the same; messages in the order in which they were sent. */
function normalized(text: string, own: readonly string[]): string {
  let out = text;
  for (const [at, id] of own.entries()) {
    // The id stands in the Received field: a longer id is a larger message.
    out = out.replace(
      new RegExp(`^(${id}[*!#]*) +(\\d+) `, "gm"),
      (_, name, size) => `${name} ${size - id.length} `,
    )
      .replace(
        new RegExp(`("queue_id": "${id}".*?"message_size": )(\\d+)`),
        (_, before, size) => before + (size - id.length),
      );
    out = out.replaceAll(id, `ID${at}`);
  }
  // A line of more than line_length_limit takes more than its bytes there.
  out = out.replace(/^ID1 \d+ /m, "ID1 SIZE ").replace(/("queue_id": "ID1".*?"message_size": )\d+/, "$1SIZE");
  return out.replace(/\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d( \d{4})?/g, "TIME")
    .replace(/"arrival_time": \d+/g, '"arrival_time": 0').replace(
      /\[127\.0\.0\.1\]:\d+/g,
      "[127.0.0.1]:PORT",
    );
}

/** The messages of a listing sorted, between its head and its end. */
function sortedText(text: string): string {
  const [head = "", ...rest] = text.split(/^(?=ID\d)/m);
  const last = rest.length - 1;
  const end = /\n-- .*\n$/.exec(rest[last] ?? "")?.[0] ?? "";
  const messages = rest.map((each, at) =>
    (at === last ? each.slice(0, each.length - end.length) : each).trimEnd()
  );
  return [head.trimEnd(), ...messages.sort(), end.trim()].join("\n\n");
}

test("postqueue -p and mailq print what Postfix's print, to the byte but for ids and times", async () => {
  for (const [tool, ...args] of [["postqueue", "-p"], ["mailq"]] as const) {
    const [theirs, ours] = await Promise.all(both.map(async (system, at) => {
      const { code, stdout, stderr } = await system.run(tool!, ...args);
      return { code, stderr, stdout: sortedText(normalized(stdout, ids[at]!)) };
    }));
    expect(ours).toEqual(theirs!);
    expect(ours!.stdout).toContain("ID0 ");
    expect(ours!.stdout).toContain("ID5!");
    expect(ours!.stdout).toMatch(/-- \d+ Kbytes in 7 Requests\.$/);
  }
});

test("qshape prints Postfix's table, by every option", async () => {
  const CALLS = [
    ["deferred"],
    ["-s", "deferred", "hold"],
    ["-p", "-m", "1", "deferred"],
    ["-p", "-m", "2", "deferred", "hold"],
    ["-sp", "-m1", "deferred"],
    ["-l", "-b", "4", "-t", "1000", "deferred"],
    ["-b", "3", "-t", "600", "deferred"],
    ["-b", "30", "-t", "600", "deferred"],
    ["-w", "120", "-b", "12", "-t", "600", "deferred"],
    ["-w", "20", "-t", "600", "deferred"],
    ["-n", "1", "-N", "1", "-t", "600", "deferred"],
    ["incoming"],
    [],
  ];
  for (const args of CALLS) {
    const [theirs, ours] = await Promise.all(both.map((system) => system.run("qshape", ...args)));
    // Equal counts and lengths come in no order of Postfix's.
    const sorted = ({ code, stdout, stderr }: Finished) => ({
      code,
      stderr,
      stdout: stdout.split("\n").sort(),
    });
    expect([args, sorted(ours!)]).toEqual([args, sorted(theirs!)]);
  }
});

test("the marks of held and expiring mail, and their queues, are Postfix's", async () => {
  for (const [at, system] of both.entries()) {
    expect((await system.run("postsuper", "-e", ids[at]![5]!)).code).toBe(0);
    expect((await system.run("postsuper", "-h", ids[at]![2]!)).code).toBe(0);
  }
  const [theirs, ours] = await Promise.all(both.map(async (system, at) => {
    const { stdout } = await system.run("postqueue", "-p");
    return normalized(stdout, ids[at]!).split("\n").filter((line) => /^ID/.test(line)).map((line) =>
      line.split(" ")[0]
    )
      .sort();
  }));
  expect(ours).toEqual(theirs);
  expect(ours).toContain("ID5!#");
  expect(ours).toContain("ID2!");
  for (const [at, system] of both.entries()) await system.run("postsuper", "-H", ids[at]![2]!);
});

test("postqueue -j prints Postfix's members, in its order and spelling", async () => {
  const [theirs, ours] = await Promise.all(both.map(async (system, at) => {
    const { code, stdout, stderr } = await system.run("postqueue", "-j");
    return { code, stderr, lines: normalized(stdout, ids[at]!).trimEnd().split("\n").sort() };
  }));
  expect(ours).toEqual(theirs!);
  for (const line of ours!.lines) JSON.parse(line.replace(": SIZE", ": 0"));
});

/** What our store does not keep, and what it says of itself: docs/differences.md names them. */
const NOT_KEPT =
  /^named_attribute: (?:rewrite_context|reverse_client_name|server_address|server_port|encoding)=/;
const IMPLIED = /^named_attribute: dsn_orig_rcpt=(?:rfc822|utf-8);/;

test("postcat -q prints Postfix's records of the same message, but for those that are named", async () => {
  for (const at of MAILS.keys()) {
    for (const flags of [[], ["-e"], ["-h"], ["-b"], ["-bh"], ["-d"], ["-v", "-h"]]) {
      const [theirs, ours] = await Promise.all(both.map(async (system, which) => {
        const { code, stdout, stderr } = await system.run("postcat", ...flags, "-q", ids[which]![at]!);
        const lines = normalized(stdout, ids[which]!).replace(/(?:deferred|hold)\/(?:\w\/)?ID/g, "queue/ID")
          .replace(/port=\d+/g, "port=PORT").replace(/^( *\d+ )?(message_size:).*$/gm, "$1$2")
          .replace(/; \w{3}, .*$|\t\w{3}, +\d+ \w{3} \d{4} .*$/gm, "DATE").split("\n");
        const kept = lines.filter((line) => !NOT_KEPT.test(line.replace(/^ *\d+ /, "")));
        const explicit = at === 4 ? kept : kept.filter((line) => !IMPLIED.test(line.replace(/^ *\d+ /, "")));
        return {
          code,
          stderr: stderr.replace(/^\S*postcat: (?:name_mask|inet_addr_local).*\n/gm, ""),
          lines: explicit,
        };
      }));
      expect([at, flags, ours]).toEqual([at, flags, theirs]);
    }
  }
});

test("postcat shows Postfix's own queue files, whatever the options, byte for byte", async () => {
  const queue = path.join(both[0].configDirectory, "../queue");
  const found = await run("find", [queue, "-name", ids[0][1]!, "-not", "-path", "*/defer/*"]);
  const file = found.stdout.trim();
  const FLAGS = [
    "",
    "-e",
    "-h",
    "-b",
    "-o",
    "-d",
    "-v",
    "-r",
    "-rvdo",
    "-bh",
    "-s97",
    "-rs97",
    "-s99999",
    "-eo",
  ];
  for (const flags of FLAGS) {
    const args = flags === "" ? [file] : [flags, file];
    const [theirs, ours] = await Promise.all(both.map((system) => system.run("postcat", ...args)));
    const stderr = theirs!.stderr.replace(/^\S*postcat: (?:name_mask|inet_addr_local).*\n/gm, "");
    expect([flags, ours]).toEqual([flags, { ...theirs!, stderr }]);
  }
});

test("mistakes are answered with Postfix's words and exit statuses", async () => {
  const CALLS = [
    ["postqueue"],
    ["postqueue", "-x"],
    ["postqueue", "-p", "-j"],
    ["postqueue", "-pj"],
    ["postqueue", "-p", "extra"],
    ["postqueue", "-s"],
    ["postcat", "-x"],
    ["postcat", "-q", "ABCDEF012345"],
    ["postcat", "-q", "../../etc/passwd"],
    ["postcat", "-q", "a\x1b[31mb"],
    ["postcat", "-q", ""],
    ["postcat", "/nonexistent"],
    ["postcat", "/etc/passwd"],
    ["postcat", "-s", "5x"],
    ["postcat", "-s"],
    ["postcat"],
    ["mailq", "extra"],
  ];
  for (const [tool, ...args] of CALLS) {
    const [theirs, ours] = await Promise.all(both.map((system) => system.run(tool!, ...args)));
    const said = ({ code, stdout, stderr }: Finished) => ({
      code,
      // The kit's maillog_file is standard output.
      stdout: stdout.replace(/^.* postfix\/sendmail\[\d+\]: .*\n/gm, ""),
      stderr: stderr.replaceAll(`${links}/`, "").replaceAll(/\/usr\/s?bin\//g, "").replaceAll("\x1b", "?"),
    });
    expect([tool, args, said(ours!)]).toEqual([tool, args, said(theirs!)]);
  }
  const { code, stderr } = await both[1].run("qshape", "-x");
  expect([code, stderr.split("\n")[0]]).toEqual([255, "qshape: Unknown option: x"]);
});

test("an empty listing, and one of a stopped service, are Postfix's", async () => {
  for (const system of both) await system.stopService();
  const [theirs, ours] = await Promise.all(both.map(async (system, at) => {
    const { code, stdout, stderr } = await system.run("postqueue", "-p");
    // Postfix's socket lies there still.
    const why = stderr.replace(/Connection refused|No such file or directory/, "WHY");
    return { code, stderr: why, stdout: sortedText(normalized(stdout, ids[at]!)) };
  }));
  expect(ours).toEqual(theirs!);
  expect(ours!.stderr).toContain("Mail system is down -- accessing queue directly");
  for (const [at, system] of both.entries()) {
    for (const id of ids[at]!) {
      // Postfix's cannot write to its log any more, and says so besides.
      expect((await system.run("postsuper", "-d", id)).stderr).toContain(`${id}: removed`);
    }
  }
  const [empty, oursEmpty] = await Promise.all(both.map((system) => system.run("postqueue", "-p")));
  expect([oursEmpty!.code, oursEmpty!.stdout]).toEqual([empty!.code, empty!.stdout]);
  expect(oursEmpty!.stdout).toBe("Mail queue is empty\n");
});
