// Relay to one next hop beside the installed Postfix, interleaved: many small messages and the connections they took, large messages
// in MB a second and the processor's time for each MB, and few messages with many recipients.
//   bun scripts/bench/relay.ts [--rounds N] [--workers N] [--only TEXT] [--part PERCENT of the messages]
// Load is smtp-source's, the next hop is smtp-sink, all on loopback. Each server gets one round before, uncounted.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cpuSeconds, pssMebibytes } from "./cpu.ts";
import { freePort, isWanted, median, noteFigure, option, workers } from "./figures.ts";
import { type Peer, run, startMta, startPostfix } from "./peer.ts";
import { SmtpSink } from "./smtp_sink.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");
const SESSIONS = 20;
/** Recipients that go to the next hop together (smtp_destination_recipient_limit). */
const TOGETHER = 50;

interface Workload {
  readonly name: string;
  readonly messages: number;
  readonly size: number;
  readonly recipients: number;
  /** What a second and the processor's time are reckoned in, and how many of them a message is. */
  readonly unit: string;
  readonly unitsEach: number;
  /** A processor's second is shared by so many units in what is printed. */
  readonly per: number;
}

const megabytes = (size: number) => ({ size, recipients: 1, unit: "MB", unitsEach: size / 1e6, per: 1 });

const WORKLOADS: readonly Workload[] = [
  {
    name: "relay to one next hop",
    messages: 5000,
    size: 4096,
    recipients: 1,
    unit: "messages",
    unitsEach: 1,
    per: 1000,
  },
  { name: "relay of 100 KiB", messages: 1000, ...megabytes(100 * 1024) },
  { name: "relay of 1 MiB", messages: 150, ...megabytes(1024 * 1024) },
  {
    name: "ten messages to 1,000 recipients",
    messages: 10,
    size: 4096,
    recipients: 1000,
    unit: "recipients",
    unitsEach: 1000,
    per: 1000,
  },
];

interface Round {
  /** Units a second. */
  readonly rate: number;
  /** Seconds of the processor for each `per` units. */
  readonly cpu: number;
  readonly connections: number;
  /** Of all processes, at its highest, in MiB. */
  readonly memory: number;
}

async function round(peer: Peer, workload: Workload, sink: SmtpSink): Promise<Round> {
  const { messages, size, recipients, unitsEach, per } = workload;
  const expected = messages * Math.ceil(recipients / TOGETHER);
  const before = { cpu: cpuSeconds(peer.pid), ...sink.counts, at: performance.now() };
  let memory = 0;
  const poll = setInterval(() => memory = Math.max(memory, pssMebibytes(peer.pid)), 250);
  const sessions = String(Math.min(SESSIONS, messages));
  const people = ["-f", "sender@example.org", "-t", "recipient@example.net", "-r", String(recipients)];
  const how = ["-d", "-s", sessions, "-m", String(messages), "-l", String(size), ...people];
  await run(["smtp-source", ...how, `127.0.0.1:${peer.port}`]);
  await sink.received(before.messages + expected);
  const seconds = (performance.now() - before.at) / 1000;
  clearInterval(poll);
  await Bun.sleep(300); // let the tail of the work be counted
  const units = messages * unitsEach;
  return {
    rate: units / seconds,
    cpu: (cpuSeconds(peer.pid) - before.cpu) / units * per,
    connections: sink.counts.connections - before.connections,
    memory,
  };
}

async function compare(root: string, workload: Workload): Promise<void> {
  const sink = new SmtpSink(freePort());
  const main = [`relayhost = [127.0.0.1]:${sink.port}`];
  const peers: Peer[] = [];
  const rounds: Record<Peer["name"], Round[]> = { mta: [], postfix: [] };
  try {
    const home = mkdtempSync(join(root, "run-"));
    chmodSync(home, 0o755);
    if (Bun.which("postfix") !== null) {
      peers.push(await startPostfix(join(home, "postfix"), freePort(), main));
    }
    peers.push(await startMta(BINARY, join(home, "mta"), freePort(), [...main, ...workers()]));
    for (const peer of peers) await round(peer, workload, sink);
    for (let left = option("rounds", 5); left > 0; left--) {
      for (const peer of peers) rounds[peer.name].push(await round(peer, workload, sink));
    }
  } finally {
    for (const peer of peers) await peer.stop();
    sink.stop();
  }
  print(workload, rounds);
}

function print({ name, unit, per }: Workload, rounds: Record<Peer["name"], readonly Round[]>): void {
  console.log(name);
  const middle = (peer: Peer["name"], what: keyof Round) => median(rounds[peer].map((each) => each[what]));
  for (const peer of ["postfix", "mta"] as const) {
    if (rounds[peer].length === 0) {
      console.log(`  ${peer.padEnd(8)} not installed`);
      continue;
    }
    const rates = rounds[peer].map(({ rate }) => rate);
    const [low, high] = [Math.min(...rates), Math.max(...rates)].map((rate) => rate.toFixed(0));
    const cpu = `${middle(peer, "cpu").toFixed(4)} CPU s per ${per} ${unit}`;
    const rest = `${middle(peer, "connections")} connections, at most ${
      middle(peer, "memory").toFixed(0)
    } MiB`;
    const rate = `${middle(peer, "rate").toFixed(0)} ${unit}/s (${low}..${high})`;
    console.log(`  ${peer.padEnd(8)} ${rate}  ${cpu}, ${rest}`);
  }
  const figure = (what: string, of: keyof Round) => {
    const postfix = rounds.postfix.length > 0 ? middle("postfix", of) : undefined;
    noteFigure({ workload: name, what, mta: middle("mta", of), postfix });
  };
  figure(`${unit}/s`, "rate");
  figure(`CPU s per ${per} ${unit}`, "cpu");
  figure("connections", "connections");
  if (rounds.postfix.length === 0) return;
  const ratio = (what: keyof Round) => (middle("mta", what) / middle("postfix", what)).toFixed(2);
  console.log(`  ratio    ${ratio("rate")} x the rate, ${ratio("cpu")} x the CPU\n`);
}

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "mta-bench-relay-"));
  chmodSync(root, 0o755);
  const part = option("part", 100) / 100;
  try {
    for (const workload of WORKLOADS) {
      if (!isWanted(workload.name)) continue;
      await compare(root, { ...workload, messages: Math.max(1, Math.round(workload.messages * part)) });
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

await main();
