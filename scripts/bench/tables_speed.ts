// Tables: `postmap -q -` with many keys, and the making of a large table, ours beside Postfix's own postmap, in turn.
// `bun scripts/bench/tables_speed.ts [--rounds N] [--keys N] [--records N] [--only TEXT]`
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isWanted, median, noteFigure, option } from "./figures.ts";

const BINARY = process.env.MTA_BINARY ?? resolve(import.meta.dirname!, "../../dist/mta");

interface Sample {
  readonly wall: number;
  readonly cpu: number;
  readonly peak: number;
}

/** The most memory that a process has had so far, in MiB; what wait4 tells would be ours at the fork, if that was more. */
function peakSoFar(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Runs a program to its end: seconds, seconds of processor, and MiB at its peak, looked at every few milliseconds. */
async function timed(command: string[], input?: string): Promise<Sample> {
  const began = performance.now();
  const child = Bun.spawn(command, {
    stdin: input === undefined ? "ignore" : Bun.file(input),
    stdout: "ignore",
    stderr: "ignore",
  });
  let peak = 0;
  const looking = setInterval(() => peak = Math.max(peak, peakSoFar(child.pid)), 5);
  const code = await child.exited;
  clearInterval(looking);
  if (code !== 0) throw new Error(`${command.join(" ")}: exit ${code}`);
  const { cpuTime } = child.resourceUsage()!;
  return { wall: (performance.now() - began) / 1000, cpu: Number(cpuTime.total) / 1e6, peak };
}

function report(name: string, samples: Readonly<Record<"postfix" | "mta", Sample[]>>): void {
  console.log(name);
  const middle = (peer: "postfix" | "mta", pick: keyof Sample) =>
    median(samples[peer].map((each) => each[pick]));
  for (const peer of ["postfix", "mta"] as const) {
    if (samples[peer].length === 0) continue;
    console.log(
      `  ${peer.padEnd(8)} ${middle(peer, "wall").toFixed(2)} s  ${middle(peer, "cpu").toFixed(2)} CPU s  ` +
        `peak ${middle(peer, "peak").toFixed(0)} MiB`,
    );
  }
  const beside = samples.postfix.length > 0;
  for (const [what, pick] of [["s", "wall"], ["CPU s", "cpu"], ["peak MiB", "peak"]] as const) {
    noteFigure({
      workload: name,
      what,
      mta: middle("mta", pick),
      ...(beside && { postfix: middle("postfix", pick) }),
    });
  }
  if (!beside) return;
  const ratio = (pick: keyof Sample) => (middle("postfix", pick) / middle("mta", pick)).toFixed(2);
  console.log(`  ratio    ${ratio("wall")} x the speed, ${ratio("cpu")} x the speed by processor time\n`);
}

async function compare(
  name: string,
  rounds: number,
  command: (peer: "postfix" | "mta") => string[],
  input?: string,
): Promise<void> {
  if (!isWanted(name)) return;
  const samples = { postfix: [] as Sample[], mta: [] as Sample[] };
  for (let round = 0; round < rounds; round++) {
    for (const peer of ["postfix", "mta"] as const) {
      if (peer === "mta" || Bun.which("postmap") !== null) {
        samples[peer].push(await timed(command(peer), input));
      }
    }
  }
  report(name, samples);
}

async function main(): Promise<void> {
  const [rounds, keys, records] = [
    option("rounds", 3),
    option("keys", 200_000),
    option("records", 1_000_000),
  ];
  const root = mkdtempSync(join(tmpdir(), "mta-tables-"));
  try {
    const config = join(root, "etc");
    mkdirSync(config);
    writeFileSync(join(config, "main.cf"), "compatibility_level = 3.6\nmyhostname = mail.example.com\n");
    const key = (at: number) => `user${at * 7919 % 1_000_003}@domain${at % 5000}.example`;
    const source = (count: number) =>
      Array.from({ length: count }, (_, at) => `${key(at)} OK some value ${at}\n`).join("");
    writeFileSync(join(root, "asked"), source(keys));
    const order = Array.from({ length: keys }, (_, at) => key(at * 48_271 % keys));
    writeFileSync(join(root, "keys"), `${order.join("\n")}\n`);
    const tool = (peer: "postfix" | "mta") =>
      peer === "mta" ? [BINARY, "-c", config, "postmap"] : ["postmap", "-c", config];
    for (const type of ["cdb", "hash"]) {
      await timed([...tool("mta"), `${type}:${join(root, "asked")}`]);
      await compare(
        `postmap -q - of ${keys} keys, ${type}`,
        rounds,
        (peer) => [...tool(peer), "-q", "-", `${type}:${join(root, "asked")}`],
        join(root, "keys"),
      );
    }
    const large = source(records);
    for (const peer of ["postfix", "mta"]) writeFileSync(join(root, peer), large);
    for (const type of ["cdb", "hash", "btree", "lmdb"]) {
      await compare(
        `postmap of ${records} records, ${type}`,
        rounds,
        (peer) => [...tool(peer), `${type}:${join(root, peer)}`],
      );
    }
    writeFileSync(join(root, "one"), "key value\n");
    await compare("postmap of one record, hash: the base", rounds, (peer) => [
      ...tool(peer),
      `hash:${join(root, "one")}`,
    ]);
    if (readFileSync(join(root, "postfix"), "latin1") !== large) throw new Error("the source has changed");
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

await main();
