import { cdbHash } from "./cdb_file.ts";
import type { ByteSink } from "./page_sink.ts";
import { copyBytes } from "./bytes.ts";
import { TableFault } from "./record_file.ts";
import { HEAD } from "./records/record_block.ts";
import type { RecordSet } from "./records/record_set.ts";

const HEADER = 2048;
const CHUNK = 1 << 18;

/** Writes bytes one behind the other through a buffer. */
class Stream {
  readonly #sink: ByteSink;
  readonly #chunk = Buffer.alloc(CHUNK);
  #filled = 0;
  position: number;

  constructor(sink: ByteSink, start: number) {
    this.#sink = sink;
    this.position = start;
  }

  u32(first: number, second: number): void {
    if (this.#filled + 8 > CHUNK) this.flush();
    this.#chunk.writeUInt32LE(first >>> 0, this.#filled);
    this.#chunk.writeUInt32LE(second >>> 0, this.#filled + 4);
    this.#filled += 8;
    this.position += 8;
  }

  bytes(from: Uint8Array, start: number, length: number): void {
    if (this.#filled + length > CHUNK) this.flush();
    if (length > CHUNK) this.#sink.write(from.subarray(start, start + length), this.position);
    else {
      copyBytes(from, start, length, this.#chunk, this.#filled);
      this.#filled += length;
    }
    this.position += length;
  }

  flush(): void {
    if (this.#filled > 0) {
      this.#sink.write(this.#chunk.subarray(0, this.#filled), this.position - this.#filled);
    }
    this.#filled = 0;
  }
}

/** Writes a constant database: records in order of insertion, then 256 hash tables, the header last. */
export function writeCdb(records: RecordSet, sink: ByteSink): void {
  const tables = new Tables(records);
  const stream = new Stream(sink, HEADER);
  records.forEach((bytes, words, at) => {
    if (stream.position > 0xffffffff) throw new TableFault("a cdb file can hold 4 GiB at most");
    const start = at + HEAD;
    const keyLength = words[at >> 2]!;
    const valueLength = words[(at >> 2) + 1]!;
    tables.add(cdbHash(bytes, start, start + keyLength), stream.position);
    stream.u32(keyLength, valueLength);
    stream.bytes(bytes, start, keyLength + valueLength);
  });
  const header = writeTables(tables, stream);
  if (stream.position > 0xffffffff) throw new TableFault("a cdb file can hold 4 GiB at most");
  stream.flush();
  sink.write(header, 0);
}

const TABLES = 256;
/** Records that are noted together for a table. */
const GROUP_BITS = 8;
const GROUP = 1 << GROUP_BITS;

/** Hash and position of each table's records, in the order in which they came: in groups of one table, of which each names the one before. */
class Tables {
  readonly #pairs: Int32Array;
  readonly #before: Int32Array;
  readonly #last = new Int32Array(TABLES).fill(-1);
  readonly #counts = new Uint32Array(TABLES);
  #groups = 0;

  constructor(records: RecordSet) {
    const groups = Math.ceil(records.count / GROUP) + TABLES;
    this.#pairs = new Int32Array(records.takeMemory(8 * GROUP * groups));
    this.#before = new Int32Array(groups);
  }

  add(hash: number, position: number): void {
    const table = hash & (TABLES - 1);
    const count = this.#counts[table]!++;
    const inGroup = count & (GROUP - 1);
    if (inGroup === 0) {
      this.#before[this.#groups] = this.#last[table]!;
      this.#last[table] = this.#groups++;
    }
    const at = 2 * (this.#last[table]! << GROUP_BITS | inGroup);
    this.#pairs[at] = hash;
    this.#pairs[at + 1] = position;
  }

  count(table: number): number {
    return this.#counts[table]!;
  }

  /** Calls `each` with hash and position of the records of a table, in the order in which they came. */
  forEachOf(table: number, each: (hash: number, position: number) => void): void {
    const count = this.#counts[table]!;
    const groups = this.#groupsOf(table);
    for (let i = 0; i < count; i++) {
      const at = 2 * (groups[i >> GROUP_BITS]! << GROUP_BITS | (i & (GROUP - 1)));
      each(this.#pairs[at]!, this.#pairs[at + 1]!);
    }
  }

  /** Its groups, the first first. */
  #groupsOf(table: number): number[] {
    const groups: number[] = [];
    for (let group = this.#last[table]!; group >= 0; group = this.#before[group]!) groups.push(group);
    return groups.reverse();
  }
}

function writeTables(tables: Tables, stream: Stream): Buffer {
  const header = Buffer.alloc(HEADER);
  let slots = new Int32Array(1024);
  for (let table = 0; table < TABLES; table++) {
    const count = 2 * tables.count(table);
    if (slots.length < 2 * count) slots = new Int32Array(2 * count + (count >> 1));
    header.writeUInt32LE(stream.position >>> 0, 8 * table);
    header.writeUInt32LE(count, 8 * table + 4);
    fillTable(tables, table, slots.fill(0), count);
    for (let slot = 0; slot < count; slot++) stream.u32(slots[2 * slot]!, slots[2 * slot + 1]!);
  }
  return header;
}

/** Puts hash and position of each record of a table into the first of its slots that is free, from where the hash says. */
function fillTable(tables: Tables, table: number, slots: Int32Array, count: number): void {
  tables.forEachOf(table, (hash, position) => {
    let slot = (hash >>> 8) % count;
    while (slots[2 * slot + 1] !== 0) slot = slot + 1 === count ? 0 : slot + 1;
    slots[2 * slot] = hash;
    slots[2 * slot + 1] = position;
  });
}
