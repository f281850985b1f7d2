import { BdbFile } from "./bdb_file.ts";
import { CHAR_KEY, hashBytes, ITEM, META, PAGE, sparesIndex, TYPE } from "./bdb_format.ts";
import { compareBytes, type RecordFile, type StoredRecord, TableFault } from "./record_file.ts";

/** Types of a bucket's first page, where there is one, and of further ones. */
const BUCKET = [TYPE.hash, TYPE.hashUnsorted, TYPE.free];
const FURTHER = [TYPE.hash, TYPE.hashUnsorted];

/** A Berkeley DB hash file, read (`hash:`). */
export class HashFile implements RecordFile {
  readonly #bdb: BdbFile;
  readonly #maxBucket: number;
  readonly #highMask: number;
  readonly #lowMask: number;
  readonly #spares: readonly number[];

  constructor(path: string) {
    const bdb = this.#bdb = new BdbFile(path, "hash");
    const field = (at: number) => bdb.u32(bdb.meta, at);
    this.#maxBucket = field(META.maxBucket);
    this.#highMask = field(META.highMask);
    this.#lowMask = field(META.lowMask);
    this.#spares = Array.from({ length: 32 }, (_, at) => field(META.spares + 4 * at));
    const masksFit = this.#maxBucket <= this.#highMask && this.#lowMask === this.#highMask >>> 1 &&
      (this.#highMask & (this.#highMask + 1)) === 0 && this.#lowMask <= this.#maxBucket;
    if (!masksFit || field(META.charKey) !== CHAR_KEY) {
      bdb.close();
      throw new TableFault("Invalid argument");
    }
  }

  get owner(): number {
    return this.#bdb.file.owner;
  }

  get diskReads(): number {
    return this.#bdb.pages.diskReads;
  }

  find(key: Uint8Array, length: number): Uint8Array | undefined {
    const hash = hashBytes(key, 0, length);
    let bucket = (hash & this.#highMask) >>> 0;
    if (bucket > this.#maxBucket) bucket = (bucket & this.#lowMask) >>> 0;
    let page = this.#firstPage(bucket);
    for (let steps = 0; page !== undefined; steps++) {
      const index = this.#search(page, key, length);
      if (index >= 0) return this.#item(page, index + 1);
      page = this.#nextPage(page, steps);
    }
    return undefined;
  }

  /** A bucket's first page; past the end of the file or never touched it stands for an empty bucket. */
  #firstPage(bucket: number, own?: Buffer): Buffer | undefined {
    const number = bucket + this.#spares[sparesIndex(bucket)]!;
    if (number > this.#bdb.lastPage) return undefined;
    const page = this.#bdb.typed(number, BUCKET, own);
    if (page[PAGE.type] !== TYPE.free) return page;
    if (this.#bdb.u32(page, PAGE.number) !== 0) throw this.#bdb.fault("a bucket holds a free page");
    return undefined;
  }

  #nextPage(page: Buffer, steps: number, own?: Buffer): Buffer | undefined {
    const number = this.#bdb.u32(page, PAGE.next);
    if (number === 0) return undefined;
    if (steps > this.#bdb.lastPage) throw this.#bdb.fault("a bucket has no end");
    return this.#bdb.typed(number, FURTHER, own);
  }

  /** Items lie one below the other, from the end of the page down. */
  #end(page: Buffer, index: number): number {
    return index === 0 ? this.#bdb.pageSize : this.#bdb.start(page, index - 1, this.#bdb.pageSize + 1);
  }

  /** Index of the key's item, or -1. */
  #search(page: Buffer, key: Uint8Array, length: number): number {
    const pairs = this.#bdb.u16(page, PAGE.entries) >> 1;
    if (page[PAGE.type] !== TYPE.hash) return this.#searchUnsorted(page, pairs, key, length);
    let low = 0;
    let high = pairs - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const order = this.#compare(page, 2 * middle, key, length);
      if (order === 0) return 2 * middle;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #searchUnsorted(page: Buffer, pairs: number, key: Uint8Array, length: number): number {
    for (let index = 0; index < 2 * pairs; index += 2) {
      if (this.#compare(page, index, key, length) === 0) return index;
    }
    return -1;
  }

  #compare(page: Buffer, index: number, key: Uint8Array, length: number): number {
    const end = this.#end(page, index);
    const start = this.#bdb.start(page, index, end);
    if (page[start] === ITEM.data) return compareBytes(page, start + 1, end, key, 0, length);
    const stored = this.#item(page, index);
    return compareBytes(stored, 0, stored.length, key, 0, length);
  }

  #item(page: Buffer, index: number): Uint8Array {
    const end = this.#end(page, index);
    const start = this.#bdb.start(page, index, end);
    const type = page[start];
    if (type === ITEM.data) return page.subarray(start + 1, end);
    if (type === ITEM.offPage && end - start === 12) {
      return this.#bdb.chain(this.#bdb.u32(page, start + 4), this.#bdb.u32(page, start + 8));
    }
    if (type === ITEM.duplicate) return this.#firstDuplicate(page, start, end);
    throw this.#bdb.unknown(page, index, type);
  }

  /** A set of duplicates: u16 length, data, u16 length, one after the other; the first counts. */
  #firstDuplicate(page: Buffer, start: number, end: number): Uint8Array {
    const length = this.#bdb.u16(page, start + 1);
    if (start + 5 + length > end) throw this.#bdb.fault("a set of duplicates lies outside its item");
    return page.subarray(start + 3, start + 3 + length);
  }

  *records(): IterableIterator<StoredRecord> {
    const own = Buffer.allocUnsafeSlow(this.#bdb.pageSize); // lookups meanwhile do not touch it
    let seen = 0;
    for (let bucket = 0; bucket <= this.#maxBucket; bucket++) {
      let page = this.#firstPage(bucket, own);
      for (let steps = 0; page !== undefined; steps++) {
        if (++seen > this.#bdb.lastPage) throw this.#bdb.fault("buckets share pages");
        const entries = this.#bdb.u16(page, PAGE.entries);
        for (let at = 0; at < entries; at += 2) {
          yield { key: this.#item(page, at), value: this.#item(page, at + 1) };
        }
        page = this.#nextPage(page, steps, own);
      }
      if (bucket > this.#bdb.lastPage) return; // the rest cannot have pages
    }
  }

  unchanged(): boolean {
    return this.#bdb.unchanged();
  }

  close(): void {
    this.#bdb.close();
  }
}
