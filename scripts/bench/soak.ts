// Many messages through receive and relay, and what the server holds while they go: memory, descriptors, disk. Everything is to stay flat.
//   bun scripts/bench/soak.ts [--messages N (2000000)] [--every N messages a row (50000)] [--workers N] [--minutes N at most]
// Load is smtp-source's over 20 sessions, by turns a connection each and sessions reused, 4 KiB and now and then 100 KiB; the next hop is
// smtp-sink. All on loopback. Ends with status 1 where memory grew by 5 % or more after the first tenth, or something is not flat.
import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cpuSeconds, processTree, pssMebibytes } from "./cpu.ts";
import { freePort, median, noteFigure, option, workers } from "./figures.ts";
import { run, startMta } from "./peer.ts";
import { SmtpSink } from "./smtp_sink.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");
/** Messages of one run of smtp-source; every tenth run is of large ones, a tenth as many. */
const RUN = 5000;

interface Look {
  readonly messages: number;
  readonly memory: number;
  readonly descriptors: number;
  readonly disk: number;
}

function descriptors(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);
}

/** Bytes that the files below a folder take, in MiB. */
function diskMebibytes(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder, { recursive: true }) as string[]) {
    try {
      bytes += lstatSync(join(folder, name)).blocks * 512;
    } catch { /* gone meanwhile */ }
  }
  return bytes / 1024 / 1024;
}

async function load(port: number, turn: number): Promise<number> {
  const large = turn % 10 === 9;
  const messages = large ? RUN / 10 : RUN;
  const how = [
    "-s",
    "20",
    "-m",
    String(messages),
    "-l",
    large ? "102400" : "4096",
    ...turn % 2 === 0 ? ["-d"] : [],
  ];
  const people = ["-f", "sender@example.org", "-t", "recipient@example.net"];
  await run(["smtp-source", ...how, ...people, `127.0.0.1:${port}`]);
  return messages;
}

function growth(looks: readonly Look[], what: "memory" | "descriptors" | "disk", total: number): number {
  const after = looks.filter(({ messages }) => messages >= total / 10);
  const third = Math.max(1, Math.floor(after.length / 3));
  const early = median(after.slice(0, third).map((look) => look[what]));
  const late = median(after.slice(-third).map((look) => look[what]));
  return late / early - 1;
}

function print(looks: readonly Look[], total: number): boolean {
  const percent = (what: "memory" | "descriptors" | "disk") => growth(looks, what, total) * 100;
  const line = (["memory", "descriptors", "disk"] as const).map((what) =>
    `${what} ${percent(what).toFixed(1)} %`
  );
  console.log(
    `\ngrowth after the first tenth, last third beside first third of the rest: ${line.join(", ")}`,
  );
  noteFigure({
    workload: `${total} messages through receive and relay`,
    what: "growth of memory, %",
    mta: percent("memory"),
  });
  return percent("memory") < 5 && percent("descriptors") < 5;
}

async function main(): Promise<void> {
  const total = option("messages", 2_000_000);
  const every = option("every", 50_000);
  const until = performance.now() + option("minutes", 60) * 60_000;
  const root = mkdtempSync(join(tmpdir(), "mta-bench-soak-"));
  chmodSync(root, 0o755);
  const sink = new SmtpSink(freePort());
  const looks: Look[] = [];
  const peer = await startMta(BINARY, root, freePort(), [
    `relayhost = [127.0.0.1]:${sink.port}`,
    ...workers(),
  ]);
  let sent = 0;
  try {
    const started = performance.now();
    for (let turn = 0, next = every; sent < total && performance.now() < until; turn++) {
      sent += await load(peer.port, turn);
      await sink.received(sent);
      if (sent < next && sent < total) continue;
      next += every;
      const look = {
        messages: sent,
        memory: pssMebibytes(peer.pid),
        descriptors: descriptors(peer.pid),
        disk: diskMebibytes(join(root, "queue")),
      };
      looks.push(look);
      const rate = sent / (performance.now() - started) * 1000;
      console.log(
        `${String(sent).padStart(8)} messages  ${
          look.memory.toFixed(0).padStart(4)
        } MiB  ${look.descriptors} descriptors  ${look.disk.toFixed(0)} MiB of disk  ${
          rate.toFixed(0)
        } msg/s  ${(cpuSeconds(peer.pid) / sent * 1000).toFixed(3)} CPU s per 1000`,
      );
    }
  } finally {
    await peer.stop();
    sink.stop();
    rmSync(root, { recursive: true, force: true });
  }
  if (!print(looks, sent)) process.exitCode = 1;
}

await main();
