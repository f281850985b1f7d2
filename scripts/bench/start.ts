// What a server costs before it has anything to do: start to the first greeting (wall and processor time), idle memory, and the
// start of `postmap -q`, beside Postfix, in turn. `bun scripts/bench/start.ts [--rounds N] [--idle SECONDS]`
//   MTA_BINARIES=a,b   other builds of ours, each as a column of its own
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { processTree, pssMebibytes } from "./cpu.ts";
import { freePort, median, noteFigure, option } from "./figures.ts";
import { type Peer, run, startMta, startPostfix } from "./peer.ts";

const BINARIES =
  (process.env.MTA_BINARIES ?? process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta"))
    .split(",");

interface Figures {
  readonly banner: number[];
  readonly cpu: number[];
  readonly idle: number[];
  readonly query: number[];
}

/** A server that can be started, and its `postmap`. */
interface Contender {
  readonly name: string;
  readonly start: (folder: string, port: number) => Promise<Peer>;
  readonly postmap: readonly string[];
}

/** Processor time of a tree so far in milliseconds, to the microsecond: ticks are too coarse for a start. */
function cpuMilliseconds(root: number): number {
  let nanoseconds = 0;
  for (const pid of processTree(root)) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]);
      }
    } catch { /* gone meanwhile */ }
  }
  return nanoseconds / 1e6;
}

async function measure(contender: Contender, root: string, seconds: number, figures: Figures): Promise<void> {
  const folder = mkdtempSync(join(root, "run-"));
  Bun.spawnSync(["chmod", "755", folder]);
  const began = performance.now();
  const peer = await contender.start(folder, freePort());
  try {
    figures.banner.push(performance.now() - began);
    figures.cpu.push(cpuMilliseconds(peer.pid));
    await Bun.sleep(1000 * seconds);
    figures.idle.push(pssMebibytes(peer.pid));
  } finally {
    await peer.stop();
  }
  const table = join(folder, "table");
  const config = join(folder, "etc");
  writeFileSync(table, Array.from({ length: 1000 }, (_, at) => `key${at} value${at}\n`).join(""));
  const [program, ...before] = contender.postmap;
  await run([program!, ...before, "-c", config, `hash:${table}`]);
  for (let at = 0; at < 9; at++) {
    const from = performance.now();
    await run([program!, ...before, "-c", config, "-q", "key77", `hash:${table}`]);
    figures.query.push(performance.now() - from);
  }
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "mta-start-"));
  Bun.spawnSync(["chmod", "755", root]);
  const [rounds, seconds] = [option("rounds", 5), option("idle", 12)];
  const contenders: Contender[] = BINARIES.map((binary) => ({
    name: BINARIES.length === 1 ? "mta" : basename(binary),
    start: (folder, port) => startMta(binary, folder, port, ["worker_processes = 1"]),
    postmap: [binary, "postmap"],
  }));
  if (Bun.which("postfix") !== null) {
    contenders.unshift({
      name: "postfix",
      start: (folder, port) => startPostfix(folder, port, []),
      postmap: ["postmap"],
    });
  }
  const all = contenders.map((): Figures => ({ banner: [], cpu: [], idle: [], query: [] }));
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [at, contender] of contenders.entries()) await measure(contender, root, seconds, all[at]!);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  const row = (what: string, unit: string, pick: (figures: Figures) => number[], digits = 0) => {
    const of = (name: string) =>
      all.filter((_, at) => contenders[at]!.name === name).map(pick).map(median)[0];
    noteFigure({ workload: what, what: unit, mta: of("mta") ?? NaN, postfix: of("postfix") });
    console.log(
      what.padEnd(34) + contenders.map(({ name }, at) => {
        const values = pick(all[at]!);
        const [low, high] = [Math.min(...values), Math.max(...values)];
        return `${name} ${median(values).toFixed(digits)} ${unit} (${low.toFixed(digits)}..${
          high.toFixed(digits)
        })`;
      }).join("   "),
    );
  };
  row("start to the first greeting", "ms", ({ banner }) => banner);
  row("the same, processor time", "ms", ({ cpu }) => cpu);
  row(`memory after ${seconds} s idle (PSS)`, "MiB", ({ idle }) => idle, 1);
  row("postmap -q, whole process", "ms", ({ query }) => query, 1);
}

await main();
