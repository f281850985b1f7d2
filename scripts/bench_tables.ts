// Tables beside the real postmap: builds (interleaved, with ratios), queries through the tool, and lookups in process.
// Run: bun scripts/bench_tables.ts [records] [--mta=dist/mta] [--rounds=3]. Builds need the executable (deno task build).
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TableContext } from "../src/table/context.ts";
import { openTable } from "../src/table/table_types.ts";

const option = (name: string) =>
  process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const records = Number(process.argv[2]?.match(/^\d+$/)?.[0] ?? 1_000_000);
const rounds = Number(option("rounds") ?? 3);
const mta = resolve(option("mta") ?? join(import.meta.dirname!, "../dist/mta"));
const postmap = "/usr/sbin/postmap";
const folder = mkdtempSync(join(tmpdir(), "bench-tables-"));
const TYPES = ["hash", "btree", "cdb", "lmdb"] as const;

if (!existsSync(mta)) throw new Error(`${mta} is not there: run "deno task build" first, or say --mta=PATH`);
const tools = existsSync(postmap) ? { ours: [mta, "postmap"], real: [postmap] } : { ours: [mta, "postmap"] };
if (!("real" in tools)) console.log(`(${postmap} is not there: no ratios)`);

mkdirSync(join(folder, "etc"));
writeFileSync(join(folder, "etc/main.cf"), "compatibility_level = 3.6\nmyhostname = bench.example.com\n");

const key = (at: number) => `user${String(at).padStart(7, "0")}@example${at % 97}.com`;
/** A permutation of 0..records-1 that jumps about. */
const shuffled = Uint32Array.from({ length: records }, (_, at) => at);
let state = 20261125;
for (let at = records - 1; at > 0; at--) {
  state = Math.imul(state, 1664525) + 1013904223 >>> 0;
  const other = Math.floor(state / 2 ** 32 * (at + 1));
  [shuffled[at], shuffled[other]] = [shuffled[other]!, shuffled[at]!];
}

/** Writes a file piece by piece: what this process holds would count as the tools' memory too. */
function writeLines(name: string, line: (at: number) => string): string {
  const path = join(folder, name);
  const fd = openSync(path, "w");
  for (let from = 0; from < records; from += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, records - from) }, (_, at) => line(from + at));
    writeSync(fd, lines.join(""));
  }
  closeSync(fd);
  return path;
}

const record = (at: number) => `${key(at)}\tvalue number ${at}\n`;
const sources = {
  sorted: writeLines("sorted", record),
  shuffled: writeLines("shuffled", (at) => record(shuffled[at]!)),
};
const queries = writeLines("queries", (at) => `${key(shuffled[at]!)}\n`);

interface Run {
  readonly seconds: number;
  readonly cpu: number;
  readonly megabytes: number;
}

function run(command: readonly string[], input?: string): Run {
  const start = performance.now();
  const stdin = input === undefined ? "ignore" : Bun.file(input);
  const done = Bun.spawnSync([...command], { cwd: folder, stdin, stdout: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`${command.join(" ")}: ${done.stderr}`);
  const { cpuTime, maxRSS } = done.resourceUsage;
  return {
    seconds: (performance.now() - start) / 1000,
    cpu: Number(cpuTime.total) / 1e6,
    megabytes: maxRSS / 1e6,
  };
}

/** Runs each tool in turn, `rounds` times; the quickest of each counts, since others use the machine too. */
function race(what: string, command: (tool: readonly string[], who: string) => Run): void {
  const best = new Map<string, Run>();
  for (let round = 0; round < rounds; round++) {
    for (const [who, tool] of Object.entries(tools)) {
      const one = command([...tool, "-c", "etc"], who);
      if (one.seconds < (best.get(who)?.seconds ?? Infinity)) best.set(who, one);
    }
  }
  console.log(`${what.padEnd(24)} ${best.get("ours")!.megabytes.toFixed(0)} MB at most, ${compared(best)}`);
}

function compared(best: ReadonlyMap<string, Run>): string {
  const [ours, real] = [best.get("ours")!, best.get("real")];
  const own = `${ours.seconds.toFixed(2)} s (CPU ${ours.cpu.toFixed(2)})`;
  if (real === undefined) return own;
  const times = (ours: number, real: number) => (real / ours).toFixed(1);
  return `${own}, postmap ${real.seconds.toFixed(2)} s (CPU ${real.cpu.toFixed(2)}): ` +
    `${times(ours.seconds, real.seconds)} times as fast (CPU ${times(ours.cpu, real.cpu)})`;
}

/** CPU time, so that a busy machine does not count. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function rate(lookup: (key: string) => unknown, wanted: readonly string[]): string {
  let done = 0;
  const spend = (seconds: number) => {
    const start = cpuSeconds();
    const before = done;
    while (cpuSeconds() - start < seconds) {
      for (let at = 0; at < 2000; at++) lookup(wanted[done++ % wanted.length]!);
    }
    return (done - before) / (cpuSeconds() - start);
  };
  spend(2); // until it is warm
  return `${Math.round(spend(2)).toLocaleString("en")}/s`;
}

const context: TableContext = {
  directory: "",
  parameter: () => undefined,
  warn: (text) => console.error(text),
  clock: Date.now,
};

console.log(`${records.toLocaleString("en")} records\n\nbuilds`);
for (const type of TYPES) {
  for (const [order, source] of Object.entries(sources)) {
    for (const who of Object.keys(tools)) copyFileSync(source, join(folder, `${who}-${type}`));
    race(`${type}, ${order} source`, (tool, who) => run([...tool, `${type}:${who}-${type}`]));
  }
}

console.log(`\n${records.toLocaleString("en")} random keys through \`postmap -q -\``);
for (const type of TYPES) {
  race(type, (tool, who) => run([...tool, "-q", "-", `${type}:${who}-${type}`], queries));
}

console.log("\nlookups in process, one core, warm, random keys");
const keys = Array.from(shuffled, key);
const absent = Array.from(shuffled, (at) => key(at).replace("@", "_"));
for (const type of TYPES) {
  const start = performance.now();
  const memory = process.memoryUsage.rss();
  const table = openTable(`${type}:${join(folder, `ours-${type}`)}`, context);
  table.lookup(keys[0]!);
  const opened = (performance.now() - start).toFixed(1);
  const took = Math.max(0, (process.memoryUsage.rss() - memory) / 1e6).toFixed(1);
  const [found, missed] = [rate((key) => table.lookup(key), keys), rate((key) => table.lookup(key), absent)];
  console.log(`${type.padEnd(8)} opened in ${opened} ms with ${took} MB; found ${found}, absent ${missed}`);
  table.close();
}

console.log("\nother types");
copyFileSync(sources.shuffled, join(folder, "texthash"));
const texthash = openTable(`texthash:${join(folder, "texthash")}`, context);
console.log(`texthash found ${rate((key) => texthash.lookup(key), keys)}`);
texthash.close();
const rules = Array.from({ length: 100 }, (_, at) => `/^user${at}[0-9]*@spam${at}\\.(com|net)$/ REJECT\n`);
writeFileSync(join(folder, "rules"), rules.join(""));
writeFileSync(join(folder, "cidr"), Array.from({ length: 100 }, (_, at) => `10.${at}.0.0/16 OK\n`).join(""));
for (const type of ["regexp", "pcre"]) {
  const table = openTable(`${type}:${join(folder, "rules")}`, context);
  console.log(`${type.padEnd(8)} 100 rules, absent ${rate((key) => table.lookup(key), keys)}`);
}
const cidr = openTable(`cidr:${join(folder, "cidr")}`, context);
console.log(`cidr     100 rules, absent ${rate((key) => cidr.lookup(key), ["192.0.2.1"])}`);
rmSync(folder, { recursive: true });
