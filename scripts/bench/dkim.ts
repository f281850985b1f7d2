// DKIM beside the installed Postfix with OpenDKIM as its milter, interleaved: messages a second received and signed (RSA of 2048 bits,
// Ed25519), received and verified, the processor's time for each (OpenDKIM's is counted to Postfix), and memory by the size of messages.
//   bun scripts/bench/dkim.ts [--messages N] [--rounds N] [--size N] [--only TEXT] [--workers N]
// Every message is put on hold once it is durable, so that nothing else runs. Load is smtp-source's, to loopback only.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { BodyHasher } from "../../src/mailauth/dkim/body_hasher.ts";
import { signContent } from "../../src/mailauth/dkim/sign_content.ts";
import {
  generateKey,
  parseSigningKey,
  publicRecord,
  type SigningAlgorithm,
  type SigningKey,
} from "../../src/mailauth/dkim/signing_key.ts";
import { startDnsServer } from "../../test/kit/servers/dns_server.ts";
import { cpuSeconds, processTree, pssMebibytes } from "./cpu.ts";
import { freePort, isWanted, option, report, type Sample, type Samples, workers } from "./figures.ts";
import { type MainCf, type Peer, run, startMta, startPostfix, waitForPort } from "./peer.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");
const SESSIONS = 20;
const HOLD = "smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_mynetworks, reject";
/** Strangers, who may write to a domain of ours. */
const STRANGERS = [
  "mynetworks = 192.0.2.0/24",
  "relay_domains = example.net",
  "smtpd_relay_restrictions = permit_auth_destination, reject",
  "smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_auth_destination, reject",
  "smtpd_peername_lookup = no",
];
const OPENDKIM = "/usr/sbin/opendkim";

interface Key {
  readonly file: string;
  readonly key: SigningKey;
}

/** A key that workers and OpenDKIM may read. */
function makeKey(folder: string, selector: string, algorithm: SigningAlgorithm): Key {
  const [file, pem] = [join(folder, `${selector}.pem`), generateKey(algorithm)];
  writeFileSync(file, pem);
  chmodSync(file, 0o644);
  const key = parseSigningKey("example.org", selector, pem);
  if ("fault" in key) throw new Error(key.fault);
  return { file, key };
}

const knownAs = ({ domain, selector }: SigningKey) => `${selector}._domainkey.${domain}`;

/** OpenDKIM, running. */
interface Milter {
  readonly line: string;
  readonly pid: number;
  stop(): void;
}

async function startMilter(folder: string, mode: "s" | "v", lines: readonly string[]): Promise<Milter> {
  const [port, file] = [freePort(), join(folder, `opendkim-${mode}-${Math.random()}.conf`)];
  const usual = [`Mode ${mode}`, `Socket inet:${port}@127.0.0.1`, "Syslog no", "RequireSafeKeys no"];
  writeFileSync(file, [...usual, "Canonicalization relaxed/relaxed", ...lines, ""].join("\n"));
  const child = Bun.spawn([OPENDKIM, "-f", "-x", file], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
  await waitForPort(port);
  return { line: `smtpd_milters = inet:127.0.0.1:${port}`, pid: child.pid, stop: () => child.kill() };
}

/** A server and all that works for it. */
interface Team {
  readonly peer: Peer;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

const cpuOf = ({ pids }: Team) => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);

/** Both on their own lines; ours alone where there is no Postfix or no OpenDKIM. */
async function startBoth(
  root: string,
  lines: { readonly both: MainCf; readonly ours: MainCf },
  milter: ((folder: string) => Promise<Milter>) | undefined,
): Promise<readonly Team[]> {
  const home = mkdtempSync(join(root, "run-"));
  chmodSync(home, 0o755);
  const teams: Team[] = [];
  if (Bun.which("postfix") !== null && Bun.which(OPENDKIM) !== null) {
    const filter = await milter?.(home);
    const more = filter === undefined ? [] : [filter.line];
    const peer = await startPostfix(join(home, "postfix"), freePort(), [...lines.both, ...more]);
    teams.push({
      peer,
      pids: [peer.pid, ...filter === undefined ? [] : [filter.pid]],
      async stop() {
        await peer.stop();
        filter?.stop();
      },
    });
  }
  const own = [...lines.both, ...lines.ours, ...workers()];
  const peer = await startMta(BINARY, join(home, "mta"), freePort(), own);
  teams.push({ peer, pids: [peer.pid], stop: () => peer.stop() });
  return teams;
}

/** How messages are made: of so many bytes, or from a file. */
type Load = { readonly size: number } | { readonly file: string };

async function send(team: Team, messages: number, load: Load): Promise<void> {
  const content = "size" in load ? ["-l", String(load.size)] : ["-F", load.file];
  const people = ["-f", "sender@example.org", "-t", "recipient@example.net"];
  const sessions = Math.min(SESSIONS, messages);
  const how = ["-s", String(sessions), "-m", String(messages), "-d", ...content, ...people];
  await run(["smtp-source", ...how, `127.0.0.1:${team.peer.port}`]);
}

async function measured(team: Team, messages: number, load: Load): Promise<Sample> {
  const before = { cpu: cpuOf(team), at: performance.now() };
  await send(team, messages, load);
  const seconds = (performance.now() - before.at) / 1000;
  await Bun.sleep(300); // let the tail of the work be counted
  return { rate: messages / seconds, cpuPerThousand: (cpuOf(team) - before.cpu) / messages * 1000 };
}

interface Comparison {
  readonly name: string;
  readonly both: MainCf;
  readonly ours: MainCf;
  readonly milter: ((folder: string) => Promise<Milter>) | undefined;
  readonly load: Load;
}

async function compare(root: string, { name, both, ours, milter, load }: Comparison): Promise<void> {
  if (!isWanted(name)) return;
  const [rounds, messages] = [option("rounds", 5), option("messages", 5000)];
  const teams = await startBoth(root, { both, ours }, milter);
  const samples: Samples = { mta: [], postfix: [] };
  try {
    for (const team of teams) await send(team, messages, load);
    for (let round = 0; round < rounds; round++) {
      for (const team of teams) samples[team.peer.name].push(await measured(team, messages, load));
    }
  } finally {
    for (const team of teams) await team.stop();
  }
  report(name, samples);
}

const signer = ({ file, key }: Key) => (folder: string) =>
  startMilter(folder, "s", [
    `Domain ${key.domain}`,
    `Selector ${key.selector}`,
    `KeyFile ${file}`,
    "InternalHosts 127.0.0.1",
    "OversignHeaders From",
    ...key.algorithm === "ed25519-sha256" ? ["SignatureAlgorithm ed25519-sha256"] : [],
  ]);

const signing = (...keys: readonly Key[]) =>
  `dkim_signing_keys = inline:{ { example.org = ${
    keys.map(({ file, key }) => `${key.selector}:${file}`).join(", ")
  } } }`;

/** A signed message in a file, as smtp-source sends one: LF at the ends of lines. */
function signedMessage(folder: string, { key }: Key, size: number): string {
  const line = `${"X".repeat(78)}\r\n`;
  const body = line.repeat(Math.ceil(size / line.length));
  const fields = [
    "From: <sender@example.org>\r\n",
    "To: <recipient@example.net>\r\n",
    "Subject: a signed message\r\n",
    "Date: Mon, 30 Nov 2026 12:00:00 +0000\r\n",
    "Message-Id: <1@example.org>\r\n",
  ];
  const hasher = new BodyHasher("relaxed");
  hasher.push(Buffer.from(body));
  const options = { signed: ["subject", "to", "date", "message-id"], oversigned: ["from"], now: Date.now() };
  const field = signContent(fields, hasher.digest(), key, options);
  const file = join(folder, `signed-${size}`);
  writeFileSync(file, `${field}${fields.join("")}\r\n${body}`.replaceAll("\r\n", "\n"));
  return file;
}

/** The most memory of our processes while messages of a size come in, signed and not. */
async function memory(root: string, key: Key): Promise<void> {
  const name = "memory by the size of messages";
  if (!isWanted(name)) return;
  console.log(name);
  for (const [what, lines] of [["not signed", []], ["signed", [signing(key)]]] as const) {
    const home = mkdtempSync(join(root, "run-"));
    chmodSync(home, 0o755);
    const main = [HOLD, "message_size_limit = 60000000", ...lines, ...workers()];
    const peer = await startMta(BINARY, join(home, "mta"), freePort(), main);
    const team = { peer, pids: [peer.pid], stop: () => peer.stop() };
    try {
      for (const [size, messages] of [[1024, 3000], [25 * 1024 * 1024, 40], [1024, 3000]] as const) {
        const peak = await peakWhile(peer.pid, () => send(team, messages, { size }));
        const processes = processTree(peer.pid).length;
        console.log(
          `  ${what}, ${messages} of ${size} bytes: at most ${peak} MiB (PSS), in ${processes} processes`,
        );
      }
    } finally {
      await team.stop();
    }
  }
}

async function peakWhile(pid: number, work: () => Promise<void>): Promise<string> {
  let peak = pssMebibytes(pid);
  const poll = setInterval(() => peak = Math.max(peak, pssMebibytes(pid)), 50);
  await work();
  clearInterval(poll);
  return peak.toFixed(1);
}

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "mta-bench-dkim-"));
  chmodSync(root, 0o755);
  const [rsa, ed] = [makeKey(root, "rsa", "rsa-sha256"), makeKey(root, "ed", "ed25519-sha256")];
  const size = option("size", 4096);
  const records = { [knownAs(rsa.key)]: { TXT: [publicRecord(rsa.key)] } };
  const dns = await startDnsServer(records);
  const known = join(root, "known");
  writeFileSync(known, `${knownAs(rsa.key)} ${publicRecord(rsa.key)}\n`);
  const verifier = (folder: string) =>
    startMilter(folder, "v", [`TestPublicKeys ${known}`, "AuthservID mail.example.com"]);
  const received = { both: [HOLD], load: { size } };
  try {
    await compare(root, { name: "receive, not signed", ...received, ours: [], milter: undefined });
    await compare(root, {
      name: "receive and sign, RSA",
      ...received,
      ours: [signing(rsa)],
      milter: signer(rsa),
    });
    await compare(root, {
      name: "receive and sign, Ed25519",
      ...received,
      ours: [signing(ed)],
      milter: signer(ed),
    });
    await compare(root, {
      name: "receive and verify, RSA",
      both: STRANGERS,
      ours: ["mail_authentication = yes", `dns_servers = ${dns.address}`],
      milter: verifier,
      load: { file: signedMessage(root, rsa, size) },
    });
    await memory(root, rsa);
  } finally {
    await dns.close();
    rmSync(root, { recursive: true, force: true });
  }
}

await main();
