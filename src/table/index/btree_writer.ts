import { BTREE_MAGIC, ITEM, META, PAGE, TYPE } from "./bdb_format.ts";
import { copyBytes } from "./bytes.ts";
import { commonMeta, ExtraPages, writeHeader, type WriteOptions } from "./hash_writer.ts";
import type { ByteSink } from "./page_sink.ts";
import { compareBytes } from "./record_file.ts";
import { HEAD } from "./records/record_block.ts";
import type { RecordSet } from "./records/record_set.ts";
import { forEachSorted } from "./records/sorted_records.ts";

/** A finished page of a level: its number and the first key that belongs to it. */
interface Child {
  readonly number: number;
  readonly key: Uint8Array;
}

const round4 = (size: number) => (size + 3) & ~3;

/** Writes a whole Berkeley DB btree: leaves from left to right, then levels upward until one page, which is page 1. */
export function writeBtree(records: RecordSet, sink: ByteSink, options: WriteOptions): void {
  const writer = new BtreeWriter(records, sink, options.pageSize);
  const lastPage = writer.write();
  const meta = commonMeta(BTREE_MAGIC, TYPE.btreeMeta, lastPage, options);
  meta.writeUInt32LE(2, META.minKey);
  meta.writeUInt32LE(0x20, META.padding);
  meta.writeUInt32LE(1, META.root);
  sink.write(meta, 0);
}

class BtreeWriter {
  readonly #records: RecordSet;
  readonly #pageSize: number;
  readonly #extra: ExtraPages;
  readonly #largest: number;
  #page = Buffer.alloc(0);
  #number = 0;
  #entries = 0;
  #offset = 0;

  constructor(records: RecordSet, sink: ByteSink, pageSize: number) {
    this.#records = records;
    this.#pageSize = pageSize;
    this.#largest = Math.floor((pageSize - PAGE.size) / 4) - 10;
    this.#extra = new ExtraPages(sink, pageSize, 2); // page 1 is kept for the root
    this.#page = Buffer.alloc(pageSize);
  }

  write(): number {
    const single = this.#fitsOnePage();
    let level = this.#leaves(single);
    for (let height = 2; level.length > 1 || (!single && height === 2); height++) {
      level = this.#level(level, height);
    }
    return this.#extra.next - 1;
  }

  #itemSize(length: number): number {
    return length > this.#largest ? 12 : round4(length + 3);
  }

  #pairSize(keyLength: number, valueLength: number): number {
    return this.#itemSize(keyLength) + this.#itemSize(valueLength) + 4;
  }

  #fitsOnePage(): boolean {
    let size = PAGE.size;
    this.#records.forEach((_bytes, words, at) => {
      size += this.#pairSize(words[at >> 2]!, words[(at >> 2) + 1]!);
      return size <= this.#pageSize;
    });
    return size <= this.#pageSize;
  }

  #begin(number: number, previous: number, type: number, level: number): void {
    this.#page.fill(0);
    writeHeader(this.#page, number, previous, type, level);
    this.#number = number;
    this.#entries = 0;
    this.#offset = this.#pageSize;
  }

  #end(next: number): void {
    this.#page.writeUInt32LE(next, PAGE.next);
    this.#page.writeUInt16LE(this.#entries, PAGE.entries);
    this.#page.writeUInt16LE(this.#offset & 0xffff, PAGE.offset);
    this.#extra.write(this.#number, this.#page);
  }

  #leaves(single: boolean): Child[] {
    const children: Child[] = [];
    const begin = (key: Uint8Array, number: number) => {
      children.push({ number, key });
      this.#begin(number, children.at(-2)?.number ?? 0, TYPE.btreeLeaf, 1);
    };
    begin(new Uint8Array(0), single ? 1 : this.#extra.next++);
    let large: Uint8Array | undefined; // the key of the record before, where it is on pages of its own
    let [last, lastEnd] = [0, 0];
    forEachSorted(this.#records, (bytes, words, at) => {
      const start = at + HEAD;
      const keyLength = words[at >> 2]!;
      const valueLength = words[(at >> 2) + 1]!;
      if (PAGE.size + 2 * this.#entries + this.#pairSize(keyLength, valueLength) > this.#offset) {
        const next = this.#extra.next++;
        this.#end(next);
        const before = large ?? this.#page.subarray(last, lastEnd);
        begin(separator(before, bytes, start, keyLength), next);
      }
      this.#putLeaf(bytes, start, keyLength);
      large = keyLength > this.#largest ? bytes.slice(start, start + keyLength) : undefined;
      last = this.#offset + 3;
      lastEnd = last + keyLength;
      this.#putLeaf(bytes, start + keyLength, valueLength);
    });
    this.#end(0);
    return children;
  }

  #place(size: number): number {
    const at = this.#offset -= size;
    this.#page.writeUInt16LE(at, PAGE.size + 2 * this.#entries++);
    return at;
  }

  #putLeaf(bytes: Uint8Array, start: number, length: number): void {
    const at = this.#place(this.#itemSize(length));
    if (length > this.#largest) return this.#putLarge(at, bytes, start, length);
    this.#page.writeUInt16LE(length, at);
    this.#page[at + 2] = ITEM.data;
    copyBytes(bytes, start, length, this.#page, at + 3);
  }

  #putLarge(at: number, bytes: Uint8Array, start: number, length: number): void {
    this.#page[at + 2] = ITEM.offPage;
    this.#page.writeUInt32LE(this.#extra.chain(bytes, start, length), at + 4);
    this.#page.writeUInt32LE(length, at + 8);
  }

  #internalSize(key: Uint8Array): number {
    return key.length > this.#largest ? 24 : round4(12 + key.length);
  }

  /** One level of internal pages over the children; a level that is a single page is the root, page 1. */
  #level(children: readonly Child[], height: number): Child[] {
    const groups = this.#groups(children);
    return groups.map((group) => {
      const number = groups.length === 1 ? 1 : this.#extra.next++;
      this.#begin(number, 0, TYPE.btreeInternal, height);
      group.forEach(({ number: child, key }, at) =>
        this.#putInternal(child, at === 0 ? new Uint8Array(0) : key)
      );
      this.#end(0);
      return { number, key: group[0]!.key };
    });
  }

  #groups(children: readonly Child[]): Child[][] {
    const groups: Child[][] = [];
    let room = 0;
    for (const child of children) {
      const size = this.#internalSize(child.key) + 2;
      if (groups.length === 0 || size > room) {
        groups.push([child]);
        room = this.#pageSize - PAGE.size - 14; // the first item's key is left empty
      } else {
        groups.at(-1)!.push(child);
        room -= size;
      }
    }
    return evenLast(groups);
  }

  #putInternal(child: number, key: Uint8Array): void {
    const at = this.#place(this.#internalSize(key));
    this.#page.writeUInt32LE(child, at + 4);
    if (key.length <= this.#largest) {
      this.#page.writeUInt16LE(key.length, at);
      this.#page[at + 2] = ITEM.data;
      copyBytes(key, 0, key.length, this.#page, at + 12);
      return;
    }
    this.#page.writeUInt16LE(12, at);
    this.#page[at + 2] = ITEM.offPage;
    this.#putLarge(at + 12, key, 0, key.length);
  }
}

/** The shortest beginning of the key `bytes[start..start+keyLength)` that is still greater than the key before it. */
export function separator(
  before: Uint8Array,
  bytes: Uint8Array,
  start: number,
  keyLength: number,
): Uint8Array {
  let length = 1;
  while (length < keyLength && compareBytes(bytes, start, start + length, before, 0, before.length) <= 0) {
    length++;
  }
  return bytes.slice(start, start + length);
}

/** A last group of one takes a neighbour over, so that every page has at least two children. */
export function evenLast<T>(groups: T[][]): T[][] {
  const last = groups.at(-1);
  const before = groups.at(-2);
  if (last?.length === 1 && before !== undefined && before.length > 2) last.unshift(before.pop()!);
  return groups;
}
