import { evenLast, separator } from "./btree_writer.ts";
import { copyBytes } from "./bytes.ts";
import type { WriteOptions } from "./hash_writer.ts";
import { largestNode, LMDB } from "./lmdb_format.ts";
import type { ByteSink } from "./page_sink.ts";
import { TableFault } from "./record_file.ts";
import { HEAD } from "./records/record_block.ts";
import type { RecordSet } from "./records/record_set.ts";
import { forEachSorted } from "./records/sorted_records.ts";

/** LMDB's page size is the machine's. */
const PAGE_SIZE = 4096;
/** Flags of the environment that Postfix uses: one file, no lock file; with 8 as the free database's own. */
const ENVIRONMENT = 0x4008;

interface Child {
  readonly number: number;
  readonly key: Uint8Array;
}

interface Counts {
  branch: number;
  leaf: number;
  overflow: number;
}

const even = (size: number) => (size + 1) & ~1;

/** Writes a whole LMDB file: leaves in key order, branch pages upward, the two metas last. */
export function writeLmdb(records: RecordSet, sink: ByteSink, options: WriteOptions): void {
  new LmdbWriter(records, sink, options.mapSize ?? 16777216).write();
}

/** What Postfix says of a key that is too long or empty, after the table's name. */
const BAD_SIZE = "MDB_BAD_VALSIZE: Unsupported size of key/DB name/data, or wrong DUPFIXED size";

class LmdbWriter {
  readonly #records: RecordSet;
  readonly #sink: ByteSink;
  readonly #mapSize: number;
  readonly #counts: Counts = { branch: 0, leaf: 0, overflow: 0 };
  readonly #page = Buffer.alloc(PAGE_SIZE);
  #number = 0;
  #next = 2;
  #nodes = 0;
  #upper = 0;

  constructor(records: RecordSet, sink: ByteSink, mapSize: number) {
    this.#records = records;
    this.#sink = sink;
    this.#mapSize = mapSize;
  }

  write(): void {
    let level = this.#leaves();
    let depth = level.length === 0 ? 0 : 1;
    for (; level.length > 1; depth++) level = this.#level(level);
    this.#metas(this.#records.count, depth, level[0]?.number);
  }

  #begin(flags: number): void {
    this.#page.fill(0);
    this.#number = this.#next++;
    this.#page.writeUInt32LE(this.#number, 0);
    this.#page.writeUInt16LE(flags, LMDB.flags);
    this.#nodes = 0;
    this.#upper = PAGE_SIZE;
    this.#counts[flags === LMDB.leaf ? "leaf" : "branch"]++;
  }

  #end(): void {
    this.#page.writeUInt16LE(LMDB.header + 2 * this.#nodes, LMDB.lower);
    this.#page.writeUInt16LE(this.#upper, LMDB.upper);
    this.#sink.write(this.#page, this.#number * PAGE_SIZE);
  }

  #fits(size: number): boolean {
    return LMDB.header + 2 * this.#nodes + 2 + size <= this.#upper;
  }

  #place(size: number): number {
    this.#upper -= size;
    this.#page.writeUInt16LE(this.#upper, LMDB.header + 2 * this.#nodes++);
    return this.#upper;
  }

  #leaves(): Child[] {
    const largest = largestNode(PAGE_SIZE);
    const children: Child[] = [];
    let [last, lastEnd] = [0, 0]; // where the page has the key before
    forEachSorted(this.#records, (bytes, words, place) => {
      const keyLength = words[place >> 2]!;
      const valueLength = words[(place >> 2) + 1]!;
      if (keyLength === 0 || keyLength > LMDB.longestKey) throw new TableFault(BAD_SIZE);
      const whole = LMDB.node + keyLength + valueLength;
      const isBig = whole > largest;
      const size = even(isBig ? LMDB.node + keyLength + 8 : whole);
      const start = place + HEAD;
      const isFirst = children.length === 0;
      if (isFirst || !this.#fits(size)) {
        const before = this.#page.subarray(last, lastEnd);
        const key = isFirst ? new Uint8Array(0) : separator(before, bytes, start, keyLength);
        if (!isFirst) this.#end();
        this.#begin(LMDB.leaf);
        children.push({ number: this.#number, key });
      }
      const at = this.#place(size);
      this.#page.writeUInt32LE(valueLength, at);
      this.#page.writeUInt16LE(isBig ? LMDB.bigValue : 0, at + 4);
      this.#page.writeUInt16LE(keyLength, at + 6);
      this.#putLeaf(bytes, start, keyLength, valueLength, at + LMDB.node, isBig);
      last = at + LMDB.node;
      lastEnd = last + keyLength;
    });
    if (children.length > 0) this.#end();
    return children;
  }

  #putLeaf(
    bytes: Uint8Array,
    start: number,
    keyLength: number,
    valueLength: number,
    to: number,
    isBig: boolean,
  ): void {
    if (!isBig) return copyBytes(bytes, start, keyLength + valueLength, this.#page, to);
    copyBytes(bytes, start, keyLength, this.#page, to);
    const first = this.#overflow(bytes, start + keyLength, valueLength);
    this.#page.writeUInt32LE(first, to + keyLength);
  }

  /** A run of pages behind one header. */
  #overflow(bytes: Uint8Array, start: number, length: number): number {
    const pages = Math.floor((15 + length) / PAGE_SIZE) + 1;
    const run = Buffer.alloc(pages * PAGE_SIZE);
    const first = this.#next;
    run.writeUInt32LE(first, 0);
    run.writeUInt16LE(LMDB.overflow, LMDB.flags);
    run.writeUInt32LE(pages, LMDB.lower);
    run.set(bytes.subarray(start, start + length), LMDB.header);
    this.#sink.write(run, first * PAGE_SIZE);
    this.#next += pages;
    this.#counts.overflow += pages;
    return first;
  }

  #level(children: readonly Child[]): Child[] {
    const groups: Child[][] = [];
    let room = 0;
    for (const child of children) {
      const size = even(LMDB.node + child.key.length) + 2;
      if (groups.length === 0 || size > room) {
        groups.push([child]);
        room = PAGE_SIZE - LMDB.header - LMDB.node - 2; // the first node's key is left empty
      } else {
        groups.at(-1)!.push(child);
        room -= size;
      }
    }
    return evenLast(groups).map((group) => this.#branch(group));
  }

  #branch(group: readonly Child[]): Child {
    this.#begin(LMDB.branch);
    const { number } = { number: this.#number };
    group.forEach((child, at) => {
      const key = at === 0 ? new Uint8Array(0) : child.key;
      const place = this.#place(even(LMDB.node + key.length));
      this.#page.writeUInt32LE(child.number, place);
      this.#page.writeUInt16LE(key.length, place + 6);
      copyBytes(key, 0, key.length, this.#page, place + LMDB.node);
    });
    this.#end();
    return { number, key: group[0]!.key };
  }

  #metas(entries: number, depth: number, root: number | undefined): void {
    let mapSize = this.#mapSize;
    while (mapSize < 2 * this.#next * PAGE_SIZE) mapSize *= 2;
    const first = meta(0, mapSize);
    const second = meta(1, mapSize);
    if (root !== undefined) {
      const main = LMDB.mainDatabase;
      second.writeUInt16LE(depth, main + LMDB.depth);
      second.writeUInt32LE(this.#counts.branch, main + LMDB.branchPages);
      second.writeUInt32LE(this.#counts.leaf, main + LMDB.leafPages);
      second.writeUInt32LE(this.#counts.overflow, main + LMDB.overflowPages);
      second.writeUInt32LE(entries, main + LMDB.entries);
      second.writeBigUInt64LE(BigInt(root), main + LMDB.root);
      second.writeUInt32LE(this.#next - 1, LMDB.lastPage);
    }
    this.#sink.write(Buffer.concat([first, second]), 0);
  }
}

const NONE = 0xffffffffffffffffn;

function meta(number: number, mapSize: number): Buffer {
  const page = Buffer.alloc(PAGE_SIZE);
  page.writeUInt32LE(number, 0);
  page.writeUInt16LE(LMDB.meta, LMDB.flags);
  page.writeUInt32LE(LMDB.magic, LMDB.metaMagic);
  page.writeUInt32LE(LMDB.version, LMDB.metaVersion);
  page.writeBigUInt64LE(BigInt(mapSize), LMDB.mapSize);
  page.writeUInt32LE(PAGE_SIZE, LMDB.freeDatabase);
  page.writeUInt16LE(ENVIRONMENT, LMDB.freeDatabase + 4);
  page.writeBigUInt64LE(NONE, LMDB.freeDatabase + LMDB.root);
  page.writeBigUInt64LE(NONE, LMDB.mainDatabase + LMDB.root);
  page.writeUInt32LE(1, LMDB.lastPage);
  page.writeUInt32LE(number, LMDB.transaction);
  return page;
}
