// Receiving while many sessions do nothing, beside the installed Postfix, interleaved: every one has had its greeting and says nothing.
//   bun scripts/bench/idle_sessions.ts [--connections N (5000)] [--messages N] [--rounds N] [--workers N]
// Postfix has a process for each, which takes it some gigabytes. Load goes to loopback only.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cpuSeconds, pssMebibytes } from "./cpu.ts";
import {
  freePort,
  isWanted,
  noteFigure,
  option,
  report,
  type Sample,
  type Samples,
  workers,
} from "./figures.ts";
import { closeAll, openIdle } from "./idle.ts";
import { type Peer, run, startMta, startPostfix } from "./peer.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");
const WAYS = [
  { name: "a connection per message", source: [] },
  { name: "session reuse", source: ["-d"] },
] as const;

/** Our workers: a fourth of a worker's descriptors is for clients, so that a low limit of open files asks for two. */
async function ourWorkers(count: number): Promise<string[]> {
  const chosen = workers();
  if (chosen.length > 0) return chosen;
  const openFiles = Number(await run(["prlimit", "--nofile", "--noheadings", "--output", "SOFT"]));
  return openFiles >= 4 * (count + 100) ? ["worker_processes = 1"] : ["worker_processes = 2"];
}

type Way = (typeof WAYS)[number];

async function measure(peer: Peer, { source }: Way, messages: number): Promise<Sample> {
  const before = { cpu: cpuSeconds(peer.pid), at: performance.now() };
  const people = ["-f", "sender@example.org", "-t", "recipient@example.net"];
  const load = ["-s", "20", "-m", String(messages), "-l", "4096", ...source, ...people];
  await run(["smtp-source", ...load, `127.0.0.1:${peer.port}`]);
  const seconds = (performance.now() - before.at) / 1000;
  await Bun.sleep(300); // let the tail of the work be counted
  return { rate: messages / seconds, cpuPerThousand: (cpuSeconds(peer.pid) - before.cpu) / messages * 1000 };
}

async function main(): Promise<void> {
  const count = option("connections", 5000);
  const messages = option("messages", 3000);
  const ways = WAYS.filter(({ name }) => isWanted(`receive while ${count} sessions idle, ${name}`));
  if (ways.length === 0) return;
  const root = mkdtempSync(join(tmpdir(), "mta-bench-idle-"));
  Bun.spawnSync(["chmod", "755", root]);
  const lines = [
    `default_process_limit = ${count + 1000}`,
    "smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_mynetworks, reject",
    "smtpd_timeout = 3600s",
    "smtpd_peername_lookup = no",
  ];
  const ours = await ourWorkers(count);
  console.log(`${messages} messages of 4096 bytes a run; ours: ${ours}\n`);
  const peers: Peer[] = [];
  const idle = [];
  try {
    if (Bun.which("postfix") !== null) {
      peers.push(await startPostfix(join(root, "postfix"), freePort(), lines));
    }
    peers.push(await startMta(BINARY, join(root, "mta"), freePort(), [...lines, ...ours]));
    const memory: { mta?: number; postfix?: number } = {};
    for (const peer of peers) {
      await measure(peer, WAYS[0], 500);
      const before = pssMebibytes(peer.pid);
      idle.push(...await openIdle(peer.port, count));
      await Bun.sleep(1000);
      memory[peer.name] = (pssMebibytes(peer.pid) - before) * 1024 / count;
      console.log(`${peer.name}: ${count} sessions idle, ${memory[peer.name]!.toFixed(1)} KiB each (PSS)`);
    }
    noteFigure({
      workload: `${count} idle sessions`,
      what: "KiB each",
      mta: memory.mta!,
      postfix: memory.postfix,
    });
    for (const way of ways) {
      const samples: Samples = { mta: [], postfix: [] };
      for (const peer of peers) await measure(peer, way, messages);
      for (let left = option("rounds", 5); left > 0; left--) {
        for (const peer of peers) samples[peer.name].push(await measure(peer, way, messages));
      }
      report(`receive while ${count} sessions idle, ${way.name}`, samples);
    }
  } finally {
    closeAll(idle);
    for (const peer of peers) await peer.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

await main();
