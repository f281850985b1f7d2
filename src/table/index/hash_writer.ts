import { CHAR_KEY, HASH_MAGIC, ITEM, META, PAGE, TYPE } from "./bdb_format.ts";
import { copyBytes } from "./bytes.ts";
import { type ByteSink, PageSink } from "./page_sink.ts";
import { compareBytes } from "./record_file.ts";
import { HEAD, type RecordBlock } from "./records/record_block.ts";
import { partsOf } from "./records/record_parts.ts";
import type { RecordSet } from "./records/record_set.ts";

/** What a writer needs beside the records. */
export interface WriteOptions {
  readonly pageSize: number;
  /** Twenty random bytes that tell this file from every other. */
  readonly uniqueId: Uint8Array;
  /** lmdb_map_size. */
  readonly mapSize?: number;
}

/** Fill of the bucket pages that is aimed at, so that few buckets need a second page. */
const FILL = 0.7;
/** Postfix's size hint, at which the element counter of its files starts. */
const ELEMENTS_BASE = 4096;

/** On-page size of an item: its type byte and data, or a pointer to its own chain of pages. */
function itemSize(length: number, pageSize: number): number {
  return length > pageSize >> 2 ? 12 : length + 1;
}

/** Writes a whole Berkeley DB hash file: a power of two of buckets, one page each, further pages behind them. */
export function writeHash(records: RecordSet, sink: ByteSink, options: WriteOptions): void {
  const { pageSize } = options;
  const buckets = bucketCount(records, pageSize);
  const bits = partBits(records, buckets);
  const inPart = buckets / 2 ** bits;
  const shift = Math.log2(inPart);
  const writer = new HashWriter(sink, pageSize, buckets);
  const parts = partsOf(records, bits, (hash) => (hash & (buckets - 1)) >>> shift);
  const order = new BucketOrder(inPart);
  for (const block of parts) {
    order.take(block);
    for (let bucket = 0; bucket < inPart; bucket++) writer.bucket(block, order.members(bucket));
  }
  const lastPage = writer.finish();
  sink.write(hashMeta(buckets, records.count, lastPage, options), 0);
}

function bucketCount(records: RecordSet, pageSize: number): number {
  const bytes = onPageBytes(records, pageSize);
  let buckets = 2;
  while (buckets * (pageSize - PAGE.size) * FILL < bytes) buckets *= 2;
  return buckets;
}

function onPageBytes(records: RecordSet, pageSize: number): number {
  const data = records.dataBytes(pageSize >> 2);
  if (data !== undefined) return data + (2 * itemSize(0, pageSize) + 4) * records.count;
  let bytes = 0;
  records.forEach((_bytes, words, at) => {
    const word = at >> 2;
    bytes += itemSize(words[word]!, pageSize) + itemSize(words[word + 1]!, pageSize) + 4;
  });
  return bytes;
}

/** Most parts that the records are laid out in, as a power of two. */
const MOST_BITS = 8;

/** In how many parts the buckets are written so that memory is enough for each, as a power of two. */
function partBits(records: RecordSet, buckets: number): number {
  const parts = Math.max(1, records.size / records.blockSize);
  return Math.min(MOST_BITS, Math.log2(buckets), Math.ceil(Math.log2(parts)));
}

/** Where the records of each bucket are, of those in a block. */
class BucketOrder {
  readonly #mask: number;
  readonly #starts: Uint32Array;
  readonly #next: Uint32Array;
  #members = new Uint32Array(0);

  constructor(buckets: number) {
    this.#mask = buckets - 1;
    this.#starts = new Uint32Array(buckets + 1);
    this.#next = new Uint32Array(buckets + 1);
  }

  take({ words, places, length }: RecordBlock): void {
    const starts = this.#starts.fill(0);
    const next = this.#next;
    const mask = this.#mask;
    if (this.#members.length < length) this.#members = new Uint32Array(length + (length >> 3));
    const members = this.#members;
    for (let i = 0; i < length; i++) starts[(words[(places[i]! >> 2) + 2]! & mask) + 1]!++;
    for (let bucket = 0; bucket <= mask; bucket++) starts[bucket + 1]! += starts[bucket]!;
    next.set(starts);
    for (let i = 0; i < length; i++) members[next[words[(places[i]! >> 2) + 2]! & mask]!++] = places[i]!;
  }

  members(bucket: number): Uint32Array {
    return this.#members.subarray(this.#starts[bucket]!, this.#starts[bucket + 1]!);
  }
}

/** Numbers and writes the pages behind the bucket pages: further pages of a bucket, and chains of large items. */
export class ExtraPages {
  readonly #sink: ByteSink;
  readonly #pageSize: number;
  next: number;

  constructor(sink: ByteSink, pageSize: number, first: number) {
    this.#sink = sink;
    this.#pageSize = pageSize;
    this.next = first;
  }

  write(number: number, page: Uint8Array): void {
    this.#sink.write(page, number * this.#pageSize);
  }

  /** Writes a large item as a chain of overflow pages; answers the first one's number. */
  chain(bytes: Uint8Array, start: number, length: number): number {
    const room = this.#pageSize - PAGE.size;
    const count = Math.ceil(length / room);
    const pages = Buffer.alloc(count * this.#pageSize);
    const first = this.next;
    for (let at = 0; at < count; at++) {
      const page = pages.subarray(at * this.#pageSize, (at + 1) * this.#pageSize);
      const size = Math.min(room, length - at * room);
      writeHeader(page, first + at, at === 0 ? 0 : first + at - 1, TYPE.overflow);
      page.writeUInt32LE(at === count - 1 ? 0 : first + at + 1, PAGE.next);
      page.writeUInt16LE(1, PAGE.entries); // reference count
      page.writeUInt16LE(size, PAGE.offset);
      page.set(bytes.subarray(start + at * room, start + at * room + size), PAGE.size);
    }
    this.next += count;
    this.#sink.write(pages, first * this.#pageSize);
    return first;
  }
}

/** A page's header; entries and offset follow when the page is full. */
export function writeHeader(page: Buffer, number: number, previous: number, type: number, level = 0): void {
  page.writeUInt32LE(1, 4); // log sequence number 0/1: not logged
  page.writeUInt32LE(number, PAGE.number);
  page.writeUInt32LE(previous, PAGE.previous);
  page[PAGE.level] = level;
  page[PAGE.type] = type;
}

class HashWriter {
  readonly #pageSize: number;
  readonly #main: PageSink;
  readonly #extra: ExtraPages;
  #page: Buffer;
  #number = 0;
  #isMain = true;
  #entries = 0;
  #offset = 0;

  constructor(sink: ByteSink, pageSize: number, buckets: number) {
    this.#pageSize = pageSize;
    this.#main = new PageSink(sink, pageSize, 1);
    this.#extra = new ExtraPages(sink, pageSize, buckets + 1);
    this.#page = Buffer.alloc(0);
  }

  /** Writes a bucket: sorted, and chained when one page is not enough. */
  bucket({ bytes, words }: RecordBlock, members: Uint32Array): void {
    insertionSort(members, bytes, words);
    const number = this.#main.next;
    this.#begin(this.#main.page(), number, 0, true);
    for (let i = 0; i < members.length; i++) {
      const at = members[i]!;
      const keySize = words[at >> 2]!;
      const valueSize = words[(at >> 2) + 1]!;
      const need = itemSize(keySize, this.#pageSize) + itemSize(valueSize, this.#pageSize) + 4;
      if (PAGE.size + 2 * this.#entries + need > this.#offset) this.#continue();
      this.#put(bytes, at + HEAD, keySize);
      this.#put(bytes, at + HEAD + keySize, valueSize);
    }
    this.#end(0);
  }

  #begin(page: Buffer, number: number, previous: number, isMain: boolean): void {
    writeHeader(page, number, previous, TYPE.hash);
    this.#page = page;
    this.#number = number;
    this.#isMain = isMain;
    this.#entries = 0;
    this.#offset = this.#pageSize;
  }

  /** Goes on at a further page of the same bucket; both pages learn of each other. */
  #continue(): void {
    const next = this.#extra.next++;
    const previous = this.#number;
    this.#end(next);
    this.#begin(Buffer.alloc(this.#pageSize), next, previous, false);
  }

  #end(next: number): void {
    const page = this.#page;
    page.writeUInt32LE(next, PAGE.next);
    page.writeUInt16LE(this.#entries, PAGE.entries);
    page.writeUInt16LE(this.#offset & 0xffff, PAGE.offset);
    if (!this.#isMain) this.#extra.write(this.#number, page);
  }

  #put(arena: Uint8Array, start: number, length: number): void {
    const page = this.#page;
    const size = itemSize(length, this.#pageSize);
    const at = this.#offset -= size;
    if (length > this.#pageSize >> 2) {
      page[at] = ITEM.offPage;
      page.writeUInt32LE(this.#extra.chain(arena, start, length), at + 4);
      page.writeUInt32LE(length, at + 8);
    } else {
      page[at] = ITEM.data;
      copyBytes(arena, start, length, page, at + 1);
    }
    page.writeUInt16LE(at, PAGE.size + 2 * this.#entries++);
  }

  /** Writes what is still in memory; answers the last page's number. */
  finish(): number {
    this.#main.flush();
    return this.#extra.next - 1;
  }
}

function insertionSort(members: Uint32Array, bytes: Uint8Array, words: Int32Array): void {
  for (let i = 1; i < members.length; i++) {
    const at = members[i]!;
    const start = at + HEAD;
    const end = start + words[at >> 2]!;
    let hole = i;
    for (; hole > 0; hole--) {
      const before = members[hole - 1]!;
      const other = before + HEAD;
      if (compareBytes(bytes, other, other + words[before >> 2]!, bytes, start, end) <= 0) break;
      members[hole] = before;
    }
    members[hole] = at;
  }
}

/** The metadata that hash and btree files share. */
export function commonMeta(magic: number, type: number, lastPage: number, options: WriteOptions): Buffer {
  const meta = Buffer.alloc(options.pageSize);
  meta.writeUInt32LE(1, 4);
  meta.writeUInt32LE(magic, META.magic);
  meta.writeUInt32LE(9, META.version);
  meta.writeUInt32LE(options.pageSize, META.pageSize);
  meta[META.type] = type;
  meta.writeUInt32LE(lastPage, META.lastPage);
  meta.set(options.uniqueId.subarray(0, 20), META.uid);
  return meta;
}

function hashMeta(buckets: number, count: number, lastPage: number, options: WriteOptions): Buffer {
  const meta = commonMeta(HASH_MAGIC, TYPE.hashMeta, lastPage, options);
  meta.writeUInt32LE(buckets - 1, META.maxBucket);
  meta.writeUInt32LE(buckets - 1, META.highMask);
  meta.writeUInt32LE((buckets >> 1) - 1, META.lowMask);
  meta.writeUInt32LE(ELEMENTS_BASE + count, META.elements);
  meta.writeUInt32LE(CHAR_KEY, META.charKey);
  for (let power = 0; 2 ** power <= buckets; power++) meta.writeUInt32LE(1, META.spares + 4 * power);
  return meta;
}
