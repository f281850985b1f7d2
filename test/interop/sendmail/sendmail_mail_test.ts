// What arrives at a next hop of mail that a program hands to sendmail, ours and the real one, and what the logs say.
import { expect, setDefaultTimeout } from "bun:test";
import { spawn } from "node:child_process";
import { withPeers } from "../../kit/peers.ts";
import { BINARY, type Server, startServer } from "../../kit/server.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type ReceivedMail, type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { until } from "../../kit/waiting.ts";

setDefaultTimeout(240_000);
const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "postfix", "root");

/** A mail system with sendmail in front of it and a next hop behind it. */
interface System {
  readonly sendmail: string;
  readonly configDirectory: string;
  readonly hop: SmtpPeer;
  log(): string;
}

/** The kit's instances are without them. */
const SERVICES = "pickup unix n - n 60 1 pickup\nshowq unix n - n - - showq\nflush unix n - n 1000? 0 flush";
const EHLO = ["PIPELINING", "SIZE 10240000", "8BITMIME", "DSN", "SMTPUTF8"];
let [ours, real]: [System | undefined, System | undefined] = [undefined, undefined];
let server: Server;
let postfix: PostfixInstance;

const mainFor = (port: number): Record<string, string> => ({
  mydestination: "localhost",
  relayhost: `[127.0.0.1]:${port}`,
  mail_name: "Postfix",
  always_bcc: "copy@example.org",
  fast_flush_domains: "example.org",
  hopcount_limit: "5",
});

beforeAll(async () => {
  const [one, other] = [await startSmtpPeer({ ehlo: EHLO }), await startSmtpPeer({ ehlo: EHLO })];
  const lines = Object.entries(mainFor(one.port)).map(([name, value]) => `${name} = ${value}`);
  server = await startServer({ mainCf: lines });
  postfix = await startPostfix({ main: mainFor(other.port), master: SERVICES });
  ours = { sendmail: BINARY, configDirectory: server.configDirectory, hop: one, log: () => server.log() };
  real = {
    sendmail: "/usr/sbin/sendmail",
    configDirectory: postfix.configDirectory,
    hop: other,
    log: () => postfix.log(),
  };
});
afterAll(async () => {
  await server.stop();
  await postfix.stop();
  await ours?.hop.close();
  await real?.hop.close();
});

function send(system: System, args: readonly string[], input: string): Promise<void> {
  return call(system, args, input).then(({ status, said }) => {
    if (status !== 0) throw new Error(`${status}: ${said}`);
  });
}

interface Outcome {
  readonly status: number | null;
  readonly said: string;
}

function call(system: System, args: readonly string[], input = ""): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(system.sendmail, args, {
      argv0: "sendmail",
      env: { PATH: "/usr/bin:/bin", MAIL_CONFIG: system.configDirectory },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => said += text);
    }
    child.stdin.on("error", () => {});
    child.stdin.end(Buffer.from(input, "latin1"));
    child.on("error", reject).on("close", (status) => resolve({ status, said }));
  });
}

/** Ids, dates and numbers are each system's own. */
function normal({ from, to, content }: ReceivedMail): ReceivedMail {
  const text = content
    .replace(/\b(?:[0-9A-F]{9,12})\b/g, "ID")
    .replace(/^(Message-Id: <)\d{14}\./gm, "$1TIME.")
    .replace(/\w{3}, [ \d]\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4} \(\w+\)/g, "DATE");
  return { from, to, raw: "", content: text };
}

/** The mail that comes of a call, by each system. */
async function arrivalsOf(args: readonly string[], input: string, count = 1): Promise<ReceivedMail[][]> {
  return await Promise.all([ours!, real!].map(async (system) => {
    const { mails } = system.hop;
    const before = mails.length;
    await send(system, args, input);
    await until(() => `mail of ${args}:\n${system.log().slice(-2000)}`, () => mails.length >= before + count);
    return mails.slice(before).map(normal).sort((one, other) => one.from < other.from ? -1 : 1);
  }));
}

const TEXT = "Subject: x\n\nbody\n";

/** What is sent with which words. */
const CALLS: readonly (readonly [string, readonly string[], string])[] = [
  ["a plain message", ["ann@example.org"], TEXT],
  ["a login name without a domain", ["-f", "sender", "ann@example.org"], TEXT],
  ["the null sender", ["-f", "", "ann@example.org"], TEXT],
  ["a full name", ["-F", "Full Name", "ann@example.org"], TEXT],
  ["a full name to be quoted", ["-F", 'F. "N" (x)', "ann@example.org"], TEXT],
  ["a sender that is quoted", ["-f", '"a b"@example.com', "ann@example.org"], TEXT],
  ["From of its own", ["-F", "Full", "ann@example.org"], `From: someone@example.com\n${TEXT}`],
  ["-t", ["-t"], `To: ann@example.org, bob@example.org\nCc: carl@example.org\nBcc: dan@example.org\n${TEXT}`],
  ["-t and a recipient", ["-t", "eve@example.org"], `To: ann@example.org\n${TEXT}`],
  [
    "-t of mail sent anew",
    ["-t"],
    `To: ann@example.org\nResent-To: bob@example.org\nResent-Bcc: c@example.org\n${TEXT}`,
  ],
  ["-t with Bcc alone", ["-t"], `Bcc: ann@example.org\n${TEXT}`],
  ["several recipients", ["ann@example.org, bob@example.org", "Carl <carl@example.org>"], TEXT],
  ["a recipient twice", ["ann@example.org", "ann@example.org"], TEXT],
  ["-N and -R and -V", ["-N", "success,delay", "-R", "hdrs", "-V", "env id", "ann@example.org"], TEXT],
  ["-N never", ["-N", "never", "ann@example.org"], TEXT],
  ["-B 8BITMIME", ["-B", "8BITMIME", "ann@example.org"], "Subject: x\n\ncaf\xc3\xa9\n"],
  ["eight bits without a word", ["ann@example.org"], "Subject: x\n\ncaf\xe9\n"],
  ["-G", ["-G", "-f", "sender@example.net", "ann@example.org"], "Subject: x\nFrom: bob\nTo: ann\n\nbody\n"],
  ["incomplete addresses", ["ann@example.org"], "From: bob\nTo: ann, carl@host\nSubject: x\n\nbody\n"],
  ["-XV", ["-XV", "-f", "list@example.com", "ann@example.org"], TEXT],
  ["an address beyond ASCII", ["j\xf6rg@example.org"], TEXT],
  ["a header beyond ASCII", ["ann@example.org"], "Subject: caf\xc3\xa9\n\nbody\n"],
  ["dots and CR LF", ["-i", "ann@example.org"], "Subject: x\r\n\r\n.\r\n..\r\nmore\r\n.x\r\n"],
  ["the dot", ["ann@example.org"], "Subject: x\n\nbefore\n.\nafter\n"],
  ["mbox's line", ["ann@example.org"], `From root Mon Jan  1\n${TEXT}`],
  ["a NUL", ["ann@example.org"], "Subject: x\n\na\0b\n"],
  ["a stray CR", ["ann@example.org"], "Subject: x\n\na\rb\n"],
  ["no newline at the end", ["ann@example.org"], "Subject: x\n\nbody"],
  ["no header", ["ann@example.org"], "body without a header\n\nmore\n"],
  ["no content", ["ann@example.org"], ""],
  ["a header alone", ["ann@example.org"], "Subject: x"],
  ["a blank line first", ["ann@example.org"], "\nbody\n"],
  ["a header that goes on first", ["ann@example.org"], " goes on\nSubject: x\n\nbody\n"],
  ["a long line", ["ann@example.org"], `Subject: x\n\n${"x".repeat(5000)}\nend\n`],
  [
    "a long field",
    ["-t"],
    `To: ann@example.org,\n${" bob@example.org,\n".repeat(60)} carl@example.org\n${TEXT}`,
  ],
  ["Return-Path and Bcc of its own", ["ann@example.org"], `Return-Path: <x@y>\nBcc: b@example.org\n${TEXT}`],
];

for (const [what, args, input] of CALLS) {
  test(`${what} arrives as the real one's does, with a copy for always_bcc`, async () => {
    const count = args[0] === "-XV" ? 2 : 1;
    const [one, other] = await arrivalsOf(args, input, count);
    expect(one).toEqual(other!);
  });
}

test("mail with too many hops goes back to its sender", async () => {
  const input = `${"Received: from a by b\n".repeat(7)}${TEXT}`;
  const [one, other] = await arrivalsOf(["-f", "sender@example.org", "ann@example.org"], input);
  const facts = (mails: readonly ReceivedMail[]) =>
    mails.map(({ from, to, content }) => ({ from, to, why: /^Status: .*$/m.exec(content)?.[0] }));
  expect(facts(one!)).toEqual(facts(other!));
});

test("the log has the same line of pickup", async () => {
  await arrivalsOf(["-f", "log@example.com", "ann@example.org"], TEXT);
  const line = /pickup\[\d+\]: [0-9A-F]+: (uid=0 from=<log@example.com>)/;
  expect(line.exec(ours!.log())?.[1]).toBe(line.exec(real!.log())?.[1] ?? "none");
});

test("what is no mail is done by other commands, as by the real one's", async () => {
  for (const system of [ours!, real!]) {
    let said = "";
    const isEmpty = async () => (said = (await call(system, ["-bp"])).said) === "Mail queue is empty\n";
    await until(() => `an empty queue: ${said}`, isEmpty);
  }
  const words = [["-bp"], ["-q"], ["-qRexample.org"], ["-qRexample.net"], ["-qIABCDEF"], ["-qI?"], ["-bi"], [
    "-oA/none",
  ]];
  for (const args of [...words, ["-bi", "-oAinline:x"], ["-qR[x"]]) {
    expect({ args, ...await call(ours!, args) }).toEqual({ args, ...await call(real!, args) });
  }
});
