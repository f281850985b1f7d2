import { RandomAccessFile } from "../platform/random_access_file.ts";
import { readFully, unchangedSinceOpened } from "./page_cache.ts";
import { PageCache } from "./page_cache.ts";
import { type RecordFile, type StoredRecord, TableFault } from "./record_file.ts";

const HEADER = 2048;
const PAGE_BITS = 12;
const PAGE = 1 << PAGE_BITS;

/** Hash of a cdb key, signed. */
export function cdbHash(key: Uint8Array, start: number, end: number): number {
  let h = 5381;
  for (let at = start; at < end; at++) h = Math.imul(h, 33) ^ key[at]!;
  return h;
}

/** A constant database, read (`cdb:`). Small files are kept whole, larger ones are read page by page. */
export class CdbFile implements RecordFile {
  readonly #file: RandomAccessFile;
  readonly #header = Buffer.alloc(HEADER);
  readonly #tables: Uint32Array;
  readonly #endOfRecords: number;
  readonly #pages: PageCache;
  readonly #lastPage: Buffer;
  readonly #lastPageNumber: number;

  constructor(path: string) {
    this.#file = new RandomAccessFile(path);
    try {
      this.#tables = this.#readHeader();
      this.#endOfRecords = this.#checkHeader();
      this.#lastPageNumber = Math.floor(this.#file.size / PAGE);
      this.#lastPage = Buffer.alloc(this.#file.size - this.#lastPageNumber * PAGE);
      readFully(this.#file, this.#lastPage, this.#lastPageNumber * PAGE);
      this.#pages = new PageCache(this.#file, PAGE, () => {});
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  #readHeader(): Uint32Array {
    if (this.#file.size < HEADER) throw new TableFault("Protocol error");
    readFully(this.#file, this.#header, 0);
    return Uint32Array.from({ length: 512 }, (_, at) => this.#header.readUInt32LE(4 * at));
  }

  /** Records end where the first hash table starts, and the tables fill the rest of the file. */
  #checkHeader(): number {
    let lowest = Infinity;
    let slots = 0;
    for (let table = 0; table < 256; table++) {
      const position = this.#tables[2 * table]!;
      slots += this.#tables[2 * table + 1]!;
      lowest = Math.min(lowest, position);
      if (position < HEADER || position + 8 * this.#tables[2 * table + 1]! > this.#file.size) {
        throw new TableFault("Protocol error");
      }
    }
    if (lowest + 8 * slots > this.#file.size) throw new TableFault("Protocol error");
    return lowest;
  }

  get diskReads(): number {
    return this.#pages.diskReads;
  }

  #page(number: number): Buffer {
    if (number < this.#lastPageNumber) return this.#pages.page(number);
    if (number === this.#lastPageNumber) return this.#lastPage;
    throw this.#fault(`it points past its end`);
  }

  #fault(why: string): TableFault {
    return new TableFault(`${this.#file.path} is damaged: ${why}`);
  }

  /** Bytes that cross pages, put together. */
  #joined(position: number, length: number): Buffer {
    if (position + length > this.#file.size) throw this.#fault("it points past its end");
    const joined = Buffer.allocUnsafe(length);
    for (let done = 0; done < length;) {
      const from = (position + done) & (PAGE - 1);
      const part = this.#page((position + done) >>> PAGE_BITS);
      const size = Math.min(length - done, part.length - from);
      part.copy(joined, done, from, from + size);
      done += size;
    }
    return joined;
  }

  #u32(position: number): number {
    const at = position & (PAGE - 1);
    const page = this.#page(position >>> PAGE_BITS);
    if (at + 4 <= page.length) {
      return (page[at]! | page[at + 1]! << 8 | page[at + 2]! << 16 | page[at + 3]! << 24) >>> 0;
    }
    return this.#joined(position, 4).readUInt32LE(0);
  }

  find(key: Uint8Array, length: number): Uint8Array | undefined {
    const hash = cdbHash(key, 0, length);
    const table = 2 * (hash & 255);
    const position = this.#tables[table]!;
    const slots = this.#tables[table + 1]!;
    let slot = slots === 0 ? 0 : (hash >>> 8) % slots;
    for (let step = 0; step < slots; step++) {
      const at = position + 8 * slot;
      const record = this.#u32(at + 4);
      if (record === 0) return undefined;
      if (this.#u32(at) === hash >>> 0) {
        const value = this.#valueIfKey(record, key, length);
        if (value !== undefined) return value;
      }
      if (++slot === slots) slot = 0;
    }
    return undefined;
  }

  #valueIfKey(record: number, key: Uint8Array, length: number): Uint8Array | undefined {
    if (record < HEADER || record + 8 > this.#endOfRecords) {
      throw this.#fault("a record lies outside the records");
    }
    if (this.#u32(record) !== length) return undefined;
    const start = record + 8;
    const valueLength = this.#u32(record + 4);
    if (start + length + valueLength > this.#endOfRecords) throw this.#fault("a record is too long");
    const at = start & (PAGE - 1);
    const page = this.#page(start >>> PAGE_BITS);
    const inPlace = at + length + valueLength <= page.length;
    const bytes = inPlace ? page : this.#joined(start, length + valueLength);
    const from = inPlace ? at : 0;
    for (let i = 0; i < length; i++) {
      if (bytes[from + i] !== key[i]) return undefined;
    }
    return bytes.subarray(from + length, from + length + valueLength);
  }

  #lengths(record: number): { readonly keyLength: number; readonly valueLength: number } {
    if (record < HEADER || record + 8 > this.#endOfRecords) {
      throw this.#fault("a record lies outside the records");
    }
    const keyLength = this.#u32(record);
    const valueLength = this.#u32(record + 4);
    if (record + 8 + keyLength + valueLength > this.#endOfRecords) throw this.#fault("a record is too long");
    return { keyLength, valueLength };
  }

  #slice(position: number, length: number): Uint8Array {
    if (length === 0) return new Uint8Array(0);
    const at = position & (PAGE - 1);
    const page = this.#page(position >>> PAGE_BITS);
    return at + length <= page.length ? page.subarray(at, at + length) : this.#joined(position, length);
  }

  *records(): IterableIterator<StoredRecord> {
    for (let at = HEADER; at < this.#endOfRecords;) {
      const { keyLength, valueLength } = this.#lengths(at);
      const key = this.#slice(at + 8, keyLength);
      yield { key, value: this.#slice(at + 8 + keyLength, valueLength) };
      at += 8 + keyLength + valueLength;
    }
  }

  unchanged(): boolean {
    return unchangedSinceOpened(this.#file);
  }

  close(): void {
    this.#file.close();
  }
}
