// Public configurations under the real Postfix and under ours: what it starts with we start with, and a session on each port goes the
// same way, beside a Dovecot where they look for one.
import { expect, setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, mkdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { withPeers } from "../kit/peers.ts";
import { type Dovecot, startDovecot } from "../kit/servers/dovecot.ts";
import { startPostfix } from "../kit/servers/postfix.ts";
import { PUBLIC_CONFIGS, publicConfigs, renderConfig, type Rendered } from "../kit/scenes/public_configs.ts";
import { BINARY, freePort, startServer } from "../kit/server.ts";
import { spawnTied } from "../kit/servers/tied_child.ts";

setDefaultTimeout(240_000);
const { test } = withPeers(import.meta.path, "dist/mta", "postfix", "python3", "openssl", "dovecot", "root");
const names = publicConfigs();
if (names.length === 0) {
  console.log(`# skipped: configs_test.ts needs public configurations in ${PUBLIC_CONFIGS}`);
}

const COMMANDS = [
  "EHLO client.example.net",
  "MAIL FROM:<someone@example.net>",
  "RCPT TO:<user@example.com>",
  "RCPT TO:<x@elsewhere.example>",
  "QUIT",
];
/** No greeting: what a client sees of an smtpd of Postfix that dies as it starts. */
const SILENT = "no greeting";
const GREETING_PATIENCE = 9_000;
const REPLY_PATIENCE = 60_000;

/** A session's replies, each as one text. */
function session(port: number): Promise<string[]> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const replies: string[] = [];
    const left = [...COMMANDS];
    let text = "";
    const finish = (last?: string) => {
      socket.destroy();
      resolve(last === undefined ? replies : [...replies, last]);
    };
    socket.setEncoding("latin1").setTimeout(
      GREETING_PATIENCE,
      () => finish(replies.length === 0 ? SILENT : "no reply"),
    );
    socket.on("error", () => finish("refused"));
    socket.on("close", () => resolve(replies));
    socket.on("data", (chunk) => {
      text += chunk;
      const reply = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(text)?.[0];
      if (reply === undefined) return;
      text = text.slice(reply.length);
      replies.push(reply.trimEnd());
      const next = left.shift();
      if (next === undefined) return finish();
      socket.setTimeout(REPLY_PATIENCE);
      socket.write(`${next}\r\n`);
    });
  });
}

/** TLS, and what Cyrus offers of itself where it would ask sasldb: that is not there. */
const APART = /^250[- ](?:STARTTLS|AUTH[ =]SCRAM-SHA-512 .*)$/;

/** What is compared of a reply: all but mail_name, a few keywords, and which of two lines is the last. */
function comparable(reply: string): string {
  return reply.split("\r\n").filter((line) => !APART.test(line)).map((line) =>
    line.replace(/^(\d{3})-/, "$1 ")
  )
    .map((line) => line.replace(/ESMTP (?:Postfix|mta)/, "ESMTP NAME")).sort().join("\n");
}

type Sessions = Record<string, string[]>;

async function sessionsOf({ ports }: Rendered): Promise<Sessions> {
  const served = ports.filter(({ wrapped, program }) =>
    !wrapped && (program === "smtpd" || program === "postscreen")
  );
  const all = await Promise.all(
    served.map(async ({ label, port }, at) => [`${at} ${label}`, await session(port)] as const),
  );
  return Object.fromEntries(all);
}

/** Runs the real Postfix; answers the sessions, undefined where it does not start. */
async function theirs(rendered: Rendered): Promise<Sessions | undefined> {
  logTo(rendered);
  const postfix = (command: string) =>
    spawnSync("/usr/sbin/postfix", ["-c", rendered.etc, command], { stdio: "ignore" }).status;
  if (postfix("check") !== 0 || postfix("start") !== 0) return undefined;
  try {
    return await sessionsOf(rendered);
  } finally {
    postfix("stop");
  }
}

/** Has it log to a file of its own. */
function logTo({ etc }: Rendered): void {
  const folder = dirname(dirname(etc));
  appendFileSync(
    join(etc, "main.cf"),
    `\nmaillog_file = ${folder}/maillog\nmaillog_file_prefixes = ${folder}\n`,
  );
  const postlog = "postlog unix-dgram n - n - 1 postlogd\n";
  if (!/^postlog\s/m.test(readFileSync(join(etc, "master.cf"), "utf8"))) {
    appendFileSync(join(etc, "master.cf"), `\n${postlog}`);
  }
}

/** Runs ours; rejects, with its log, where it does not start. */
async function ours(rendered: Rendered): Promise<Sessions> {
  const child = spawnTied(BINARY, ["-c", rendered.etc, "serve"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {},
  });
  let log = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (chunk) => log += chunk);
  }
  const exited = new Promise<void>((done) => child.on("exit", () => done()));
  try {
    const [first] = rendered.ports.filter(({ program }) => program === "smtpd" || program === "postscreen");
    const up = await Promise.race([listening(first!.port), exited.then(() => false)]);
    if (!up) throw new Error(`ours did not start:\n${log.slice(-3000)}`);
    return await sessionsOf(rendered);
  } finally {
    child.kill("SIGTERM");
    await exited;
  }
}

/** Waits until somebody listens. */
async function listening(port: number): Promise<boolean> {
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true)));
      socket.on("error", () => resolve(false));
    });
    if (open) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** Starts the Dovecot that a configuration looks for below its queue directory. */
async function dovecotOf({ etc }: Rendered): Promise<Dovecot | undefined> {
  const value = (name: string) =>
    spawnSync("/usr/sbin/postconf", ["-c", etc, "-hx", name], { encoding: "utf8" }).stdout.trim();
  if (value("smtpd_sasl_type") !== "dovecot" || value("smtpd_sasl_path") !== "private/auth") return undefined;
  const folder = join(value("queue_directory"), "private");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  spawnSync("chown", ["postfix", folder]);
  return await startDovecot({ socket: join(folder, "auth") });
}

/** Where Postfix's smtpd does not come up ours says 421; everywhere else the replies are the same. */
function expectTheSame(own: Sessions, real: Sessions): void {
  for (const [port, replies] of Object.entries(real)) {
    const said = own[port] ?? [];
    if (replies.length > 0 && replies[0] !== SILENT) {
      expect({ port, replies: said.map(comparable) }).toEqual({ port, replies: replies.map(comparable) });
    } else {
      expect({ port, replies: said.map((each) => each.slice(0, 9)) }).toEqual({
        port,
        replies: ["421 4.3.5"],
      });
    }
  }
}

for (const name of names) {
  test(`${name} starts as under Postfix, and a session on each port goes the same way`, async () => {
    const [real, own] = [renderConfig(name), renderConfig(name)];
    const dovecots: (Dovecot | undefined)[] = [];
    try {
      for (const rendered of [real, own]) {
        chmodSync(dirname(dirname(rendered.etc)), 0o755);
        dovecots.push(await dovecotOf(rendered));
      }
      const sessions = await theirs(real);
      if (sessions !== undefined) expectTheSame(await ours(own), sessions);
    } finally {
      for (const dovecot of dovecots) await dovecot?.stop();
      real.remove();
      own.remove();
    }
  });
}

test("an smtpd that Postfix does not start leaves its clients without a greeting there, and turns them away here", async () => {
  const unguarded = "-o smtpd_relay_restrictions= -o smtpd_recipient_restrictions=permit_mynetworks";
  const [theirPort, ourPort] = await Promise.all([freePort(), freePort()]);
  const line = (port: number) => `127.0.0.1:${port} inet n - n - - smtpd ${unguarded}`;
  const postfix = startPostfix({ main: {}, master: line(theirPort) });
  const server = await startServer({ masterCf: [line(ourPort)] });
  try {
    const [real, own] = await Promise.all([session(theirPort), session(ourPort)]);
    expectTheSame({ port: own }, { port: real });
    expect(real).toEqual([SILENT]);
    expect(await postfix.waitForLog(/fatal: in parameter smtpd_relay_restrictions/)).toContain(
      "postfix/smtpd[",
    );
    await server.logged(/postfix\/smtpd\[\d+\]: fatal: in parameter smtpd_relay_restrictions/);
  } finally {
    postfix.stop();
    await server.stop();
  }
});
