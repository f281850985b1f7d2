// Lookups per second of the table types, warm, on one core; and builds per type. Run: bun scripts/bench_tables.ts [records]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFile } from "../src/platform/file_replacement.ts";
import { INDEX_FORMATS } from "../src/table/index_formats.ts";
import { RecordSet } from "../src/table/record_set.ts";
import { openTable } from "../src/table/registry.ts";
import type { TableContext } from "../src/table/context.ts";
import { writeIndex } from "../src/table/table_build.ts";
import { takeSource } from "../src/table/table_source.ts";

const records = Number(process.argv[2] ?? 100_000);
const folder = mkdtempSync(join(tmpdir(), "bench-tables-"));
const keys = Array.from({ length: records }, (_, at) => `user${(at * 7919) % records}@example${at % 97}.com`);
const source = Buffer.from(keys.map((key, at) => `${key}\tvalue ${at}\n`).join(""));
const context: TableContext = {
  directory: "",
  parameter: () => undefined,
  warn: (text) => console.error(text),
  clock: Date.now,
};

function build(type: string): void {
  const format = INDEX_FORMATS[type]!;
  const set = new RecordSet(source.length);
  takeSource(source, set, {
    format: "map",
    fold: true,
    encoding: "utf8",
    terminate: format.terminates,
    onDuplicate: "keep",
    name: "bench",
    warn: () => {},
    duplicate: () => {},
  });
  writeIndex(format, join(folder, type) + format.suffix, set, {
    uniqueId: () => new Uint8Array(20),
    pageSize: 4096,
    mapSize: 16777216,
    replace: (path) => replaceFile(path, { mode: 0o644 }),
  });
}

/** CPU time, so that a busy machine does not count. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function rate(lookup: (key: string) => unknown, wanted: readonly string[]): number {
  for (const key of wanted.slice(0, 20_000)) lookup(key);
  const start = cpuSeconds();
  let done = 0;
  while (cpuSeconds() - start < 1) {
    for (let at = 0; at < 2000; at++) lookup(wanted[done++ % wanted.length]!);
  }
  return Math.round(done / (cpuSeconds() - start));
}

const absent = keys.map((key) => `${key.slice(0, -1)}n`);
const shuffled = keys.toSorted((a, b) => Bun.hash(a) < Bun.hash(b) ? -1 : 1);
console.log(`${records} records`);
for (const type of ["hash", "btree", "cdb", "lmdb"]) {
  const start = performance.now();
  build(type);
  const built = performance.now() - start;
  const table = openTable(`${type}:${join(folder, type)}`, context);
  const found = rate((key) => table.lookup(key), shuffled);
  const missed = rate((key) => table.lookup(key), absent);
  console.log(`${type.padEnd(8)} build ${(built / 1000).toFixed(2)} s, found ${found}/s, absent ${missed}/s`);
}
writeFileSync(join(folder, "texthash"), source);
const texthash = openTable(`texthash:${join(folder, "texthash")}`, context);
console.log(`texthash found ${rate((key) => texthash.lookup(key), shuffled)}/s`);
const rules = Array.from({ length: 100 }, (_, at) => `/^user${at}[0-9]*@spam${at}\\.(com|net)$/ REJECT\n`)
  .join("");
writeFileSync(join(folder, "rules"), rules);
writeFileSync(join(folder, "cidr"), Array.from({ length: 100 }, (_, at) => `10.${at}.0.0/16 OK\n`).join(""));
for (const type of ["regexp", "pcre"]) {
  const table = openTable(`${type}:${join(folder, "rules")}`, context);
  console.log(`${type.padEnd(8)} 100 rules, absent ${rate((key) => table.lookup(key), shuffled)}/s`);
}
const cidr = openTable(`cidr:${join(folder, "cidr")}`, context);
console.log(`cidr     100 rules, absent ${rate((key) => cidr.lookup(key), ["192.0.2.1"])}/s`);
rmSync(folder, { recursive: true });
