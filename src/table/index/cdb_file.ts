import { RandomAccessFile } from "../../platform/file/random_access_file.ts";
import { PageCache, readFully, unchangedSinceOpened } from "./page_cache.ts";
import { type FoundValue, type RecordFile, type StoredRecord, TableFault } from "./record_file.ts";

const HEADER = 2048;
const PAGE_BITS = 12;
const PAGE = 1 << PAGE_BITS;

/** Hash of a cdb key, signed. */
export function cdbHash(key: Uint8Array, start: number, end: number): number {
  let h = 5381;
  for (let at = start; at < end; at++) h = Math.imul(h, 33) ^ key[at]!;
  return h;
}

/** Bytes read along with a record's head: most keys and values fit. */
const AHEAD = 96;

/** So many pages have been read one by one when the rest is worth while to be read at once. */
const MANY = 128;

/**
 * A constant database, read (`cdb:`). Its hash tables are kept page by page, its records too where the memory suffices for the
 * whole file; else a record is read by itself, which costs less than a page.
 */
export class CdbFile implements RecordFile {
  readonly #file: RandomAccessFile;
  readonly #header = Buffer.alloc(HEADER);
  readonly #tables: Uint32Array;
  readonly #endOfRecords: number;
  readonly #pages: PageCache;
  #piece = Buffer.allocUnsafeSlow(1024);
  #pieces = 0;
  readonly #mayReadWhole: boolean;
  /** The whole file, once it has been read at once. */
  #whole: Buffer | undefined;
  /** Where the bytes last asked for are: at `#from` of `#bytes`. */
  #bytes: Buffer;
  #from = 0;
  readonly #found: FoundValue = { bytes: this.#header, start: 0, end: 0 };

  get owner(): number {
    return this.#file.owner;
  }

  /** `whole`: where so many keys are asked that page after page would be read, all others are read at once, if memory is for them. */
  constructor(path: string, whole = false) {
    this.#file = new RandomAccessFile(path);
    try {
      this.#tables = this.#readHeader();
      this.#endOfRecords = this.#checkHeader();
      this.#bytes = this.#header;
      this.#pages = new PageCache(this.#file, PAGE, () => {});
      this.#mayReadWhole = whole && this.#pages.holdsAll;
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  #readHeader(): Uint32Array {
    if (this.#file.size < HEADER) throw new TableFault("Protocol error", { isOther: true });
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
        throw new TableFault("Protocol error", { isOther: true });
      }
    }
    if (lowest + 8 * slots > this.#file.size) throw new TableFault("Protocol error", { isOther: true });
    return lowest;
  }

  get diskReads(): number {
    return this.#pages.diskReads + this.#pieces;
  }

  #fault(why: string): TableFault {
    return new TableFault(`${this.#file.path} is damaged: ${why}`);
  }

  /** Makes `#bytes` from `#from` on hold a piece of the file: in its page if that is in memory or shall be, else by itself. */
  #look(position: number, length: number, keep: boolean): void {
    if (position + length > this.#file.size) throw this.#fault("it points past its end");
    if (this.#whole === undefined && this.#mayReadWhole && this.#pages.diskReads >= MANY) this.#readWhole();
    if (this.#whole !== undefined) {
      this.#bytes = this.#whole;
      this.#from = position;
      return;
    }
    const at = position & (PAGE - 1);
    if (at + length <= PAGE) {
      const number = position >>> PAGE_BITS;
      const page = keep ? this.#pages.page(number) : this.#pages.kept(number);
      if (page !== undefined) {
        this.#bytes = page;
        this.#from = at;
        return;
      }
    }
    if (length > this.#piece.length) this.#piece = Buffer.allocUnsafeSlow(length);
    readFully(this.#file, this.#piece, position, length);
    this.#pieces++;
    this.#bytes = this.#piece;
    this.#from = 0;
  }

  #readWhole(): void {
    const whole = Buffer.allocUnsafeSlow(this.#file.size);
    this.#pieces++;
    readFully(this.#file, whole, 0);
    this.#whole = whole;
  }

  #u32(after: number): number {
    const at = this.#from + after;
    const bytes = this.#bytes;
    return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
  }

  find(key: Uint8Array, length: number): Uint8Array | undefined {
    const found = this.locate(key, length);
    return found?.bytes.subarray(found.start, found.end);
  }

  locate(key: Uint8Array, length: number): FoundValue | undefined {
    const hash = cdbHash(key, 0, length);
    const table = 2 * (hash & 255);
    const position = this.#tables[table]!;
    const slots = this.#tables[table + 1]!;
    let slot = slots === 0 ? 0 : (hash >>> 8) % slots;
    for (let step = 0; step < slots; step++) {
      this.#look(position + 8 * slot, 8, true);
      const record = this.#u32(4);
      if (record === 0) return undefined;
      if (this.#u32(0) === hash >>> 0) {
        if (this.#isValueOf(record, key, length)) return this.#found;
      }
      if (++slot === slots) slot = 0;
    }
    return undefined;
  }

  /** Whether it is the key's record; then it is known where its value is. */
  #isValueOf(record: number, key: Uint8Array, length: number): boolean {
    const keep = this.#pages.holdsAll;
    const read = this.#lookAtRecord(record, keep ? 8 : 8 + length + AHEAD, keep);
    if (this.#u32(0) !== length) return false;
    const valueLength = this.#u32(4);
    const whole = 8 + length + valueLength;
    if (record + whole > this.#endOfRecords) throw this.#fault("a record is too long");
    if (whole > read) this.#look(record, whole, keep);
    const bytes = this.#bytes;
    const start = this.#from + 8;
    for (let i = 0; i < length; i++) {
      if (bytes[start + i] !== key[i]) return false;
    }
    this.#found.bytes = bytes;
    this.#found.start = start + length;
    this.#found.end = start + length + valueLength;
    return true;
  }

  /** Looks at a record and up to so many of its bytes; answers how many there are to see. */
  #lookAtRecord(record: number, length: number, keep: boolean): number {
    if (record < HEADER || record + 8 > this.#endOfRecords) {
      throw this.#fault("a record lies outside the records");
    }
    const there = Math.min(length, this.#endOfRecords - record);
    this.#look(record, there, keep);
    return there;
  }

  *records(): IterableIterator<StoredRecord> {
    for (let at = HEADER; at < this.#endOfRecords;) {
      this.#lookAtRecord(at, 8, true);
      const keyLength = this.#u32(0);
      const valueLength = this.#u32(4);
      const whole = 8 + keyLength + valueLength;
      if (at + whole > this.#endOfRecords) throw this.#fault("a record is too long");
      this.#look(at, whole, true);
      const bytes = Buffer.from(this.#bytes.subarray(this.#from + 8, this.#from + whole));
      yield { key: bytes.subarray(0, keyLength), value: bytes.subarray(keyLength) };
      at += whole;
    }
  }

  unchanged(): boolean {
    return unchangedSinceOpened(this.#file);
  }

  close(): void {
    this.#pages.close();
    this.#file.close();
  }
}
