// Public configurations under the real Postfix and under ours: what it starts with we start with, and a session on each port goes the
// same way, in the clear and in TLS, beside a Dovecot where they look for one.
import { expect, setDefaultTimeout } from "bun:test";
import { type ChildProcess, spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { type Dovecot, startDovecot } from "../../kit/servers/dovecot.ts";
import { endOf } from "../../kit/servers/ending.ts";
import { startPostfix } from "../../kit/servers/postfix.ts";
import {
  PUBLIC_CONFIGS,
  publicConfigs,
  renderConfig,
  type Rendered,
} from "../../kit/scenes/public_configs.ts";
import { BINARY, freePort, startServer } from "../../kit/server.ts";
import { spawnTied } from "../../kit/servers/tied_child.ts";
import { dialogue } from "../../kit/tls_dialogue.ts";
import { until } from "../../kit/waiting.ts";

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
/** For the greeting where smtpd processes are known to die, and for everything else, in milliseconds. */
const [SHORT_PATIENCE, PATIENCE] = [9_000, 60_000];

/** A session's replies, each as one text; `dying` says whether the server's processes die. */
function session(port: number, dying: () => boolean = () => false): Promise<string[]> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const replies: string[] = [];
    const left = [...COMMANDS];
    let [text, heard] = ["", performance.now()];
    const watch = setInterval(() => {
      const silent = replies.length === 0;
      if (performance.now() - heard < (silent && dying() ? SHORT_PATIENCE : PATIENCE)) return;
      finish(silent ? SILENT : "no reply");
    }, 100);
    const finish = (last?: string) => {
      clearInterval(watch);
      socket.destroy();
      resolve(last === undefined ? replies : [...replies, last]);
    };
    socket.setEncoding("latin1");
    socket.on("error", () => finish("refused"));
    socket.on("close", () => finish());
    socket.on("data", (chunk) => {
      text += chunk;
      const reply = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(text)?.[0];
      if (reply === undefined) return;
      text = text.slice(reply.length);
      replies.push(reply.trimEnd());
      heard = performance.now();
      const next = left.shift();
      if (next === undefined) return finish();
      socket.write(`${next}\r\n`);
    });
  });
}

/** The same where TLS can be had; undefined where it cannot. */
async function securedSession(port: number, wrapped: boolean): Promise<string[] | undefined> {
  const [first = ""] = COMMANDS;
  if (wrapped) return await dialogue(port, [{ tls: {} }, ...COMMANDS], true);
  const [, , answer = ""] = await dialogue(port, [first, "STARTTLS"]);
  if (!answer.startsWith("220")) return undefined;
  return await dialogue(port, [first, "STARTTLS", { tls: {} }, ...COMMANDS]);
}

/** What is later than the installed Postfix, and what Cyrus offers of itself where it would ask sasldb: that is not there. */
const APART = /^250[- ](?:REQUIRETLS|AUTH[ =]SCRAM-SHA-512 .*)$/;

/** What is compared of a reply: all but mail_name, a few keywords, and which of two lines is the last. */
function comparable(reply: string): string {
  return reply.split(/\r?\n/).filter((line) => !APART.test(line)).map((line) =>
    line.replace(/^(\d{3})-/, "$1 ")
  )
    .map((line) => line.replace(/ESMTP (?:Postfix|mta)/, "ESMTP NAME"))
    // In a chroot there is no /etc/hosts.
    .map((line) => line.replace(/\b(?:unknown|localhost)\[127\.0\.0\.1\]/, "CLIENT")).sort().join("\n");
}

type Sessions = Record<string, string[]>;

function servedPorts({ ports }: Rendered) {
  return ports.filter(({ program }) => program === "smtpd" || program === "postscreen");
}

async function sessionsOf(rendered: Rendered, dying?: () => boolean): Promise<Sessions> {
  const all = await Promise.all(
    servedPorts(rendered).map(async ({ label, port, wrapped }, at): Promise<[string, string[]][]> => {
      const clear = wrapped ? undefined : await session(port, dying);
      const alive = clear === undefined || (clear.length > 1 && clear[0] !== SILENT);
      const secured = alive ? await securedSession(port, wrapped) : undefined;
      return [
        ...clear === undefined ? [] : [[`${at} ${label}`, clear] as [string, string[]]],
        ...secured === undefined ? [] : [[`${at} ${label}, in TLS`, secured] as [string, string[]]],
      ];
    }),
  );
  return Object.fromEntries(all.flat());
}

/** Runs the real Postfix; answers the sessions, undefined where it does not start. */
async function theirs(rendered: Rendered): Promise<Sessions | undefined> {
  const path = logTo(rendered);
  const log = () => existsSync(path) ? readFileSync(path, "utf8") : "";
  const postfix = (command: string) => {
    const options = { stdio: "ignore", timeout: PATIENCE } as const;
    const { status, error } = spawnSync("/usr/sbin/postfix", ["-c", rendered.etc, command], options);
    if (error !== undefined) throw new Error(`postfix ${command} does not end`, { cause: error });
    return status;
  };
  if (postfix("check") !== 0 || postfix("start") !== 0) return undefined;
  try {
    return await sessionsOf(rendered, () => log().includes(": fatal: "));
  } finally {
    postfix("stop");
  }
}

/** Has it log to a file of its own, and answers which. */
function logTo({ etc }: Rendered): string {
  const folder = dirname(dirname(etc));
  appendFileSync(
    join(etc, "main.cf"),
    `\nmaillog_file = ${folder}/maillog\nmaillog_file_prefixes = ${folder}\n`,
  );
  const postlog = "postlog unix-dgram n - n - 1 postlogd\n";
  if (!/^postlog\s/m.test(readFileSync(join(etc, "master.cf"), "utf8"))) {
    appendFileSync(join(etc, "master.cf"), `\n${postlog}`);
  }
  return `${folder}/maillog`;
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
  try {
    // One after the other: the last may still be refused when the first is there.
    for (const { port } of servedPorts(rendered)) {
      await until("a listener", () => listens(port, child, () => log));
    }
    return await sessionsOf(rendered);
  } finally {
    await endOf(child);
  }
}

/** Whether somebody listens there; throws when the server has ended. */
function listens(port: number, child: ChildProcess, log: () => string): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) {
    throw new Error(`ours did not start:\n${log().slice(-3000)}`);
  }
  const socket = connect(port, "127.0.0.1").setTimeout(1000);
  return new Promise<boolean>((resolve) => {
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false)).on(
      "timeout",
      () => resolve(false),
    );
  }).finally(() => socket.destroy());
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
    // Where Postfix's has nobody to ask for logins it dies when TLS has begun; ours says so.
    const died = replies.at(-2)?.startsWith("<TLS") && replies.at(-1) === "<closed>";
    const said = (own[port] ?? []).filter((reply) => !died || !reply.startsWith("421 4.3.5 "));
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
  const postfix = await startPostfix({ main: {}, master: line(theirPort) });
  const server = await startServer({ masterCf: [line(ourPort)] });
  try {
    const fatal = /fatal: in parameter smtpd_relay_restrictions/;
    const [real, own] = await Promise.all([
      session(theirPort, () => fatal.test(postfix.log())),
      session(ourPort),
    ]);
    expectTheSame({ port: own }, { port: real });
    expect(real).toEqual([SILENT]);
    expect(await postfix.waitForLog(fatal)).toContain("postfix/smtpd[");
    await server.logged(/postfix\/smtpd\[\d+\]: fatal: in parameter smtpd_relay_restrictions/);
  } finally {
    await postfix.stop();
    await server.stop();
  }
});
