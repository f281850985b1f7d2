import { RandomAccessFile } from "../../platform/file/random_access_file.ts";
import { BTREE_MAGIC, HASH_MAGIC, META, PAGE, TYPE } from "./bdb_format.ts";
import { PageCache, readFully, unchangedSinceOpened } from "./page_cache.ts";
import { TableFault } from "./record_file.ts";

/** Which versions can be read; flags that change the layout are refused. */
const KINDS = {
  hash: { magic: HASH_MAGIC, pageType: TYPE.hashMeta, oldest: 7, newest: 10, refusedFlags: 1 | 2 | 4 },
  btree: {
    magic: BTREE_MAGIC,
    pageType: TYPE.btreeMeta,
    oldest: 8,
    newest: 10,
    refusedFlags: 1 | 2 | 4 | 0x20 | 0x80,
  },
} as const;

function isItemPage(type: number): boolean {
  return type === TYPE.hash || type === TYPE.hashUnsorted || type === TYPE.btreeLeaf ||
    type === TYPE.btreeInternal;
}

/** A Berkeley DB file: its metadata, its pages in the file's byte order, and its overflow chains. */
export class BdbFile {
  readonly file: RandomAccessFile;
  readonly bigEndian: boolean;
  readonly pageSize: number;
  readonly lastPage: number;
  readonly meta: Buffer;
  readonly pages: PageCache;
  #overflow: Buffer | undefined;

  constructor(path: string, kind: keyof typeof KINDS) {
    this.file = new RandomAccessFile(path);
    try {
      const head = Buffer.alloc(512);
      readFully(this.file, head, 0);
      const { magic } = KINDS[kind];
      this.bigEndian = head.readUInt32LE(META.magic) !== magic;
      this.meta = head;
      this.pageSize = this.u32(head, META.pageSize);
      this.lastPage = this.u32(head, META.lastPage);
      this.#checkMeta(kind);
      this.pages = new PageCache(this.file, this.pageSize, (page, number) => this.#checkPage(page, number));
    } catch (error) {
      this.file.close();
      throw error;
    }
  }

  u16(page: Uint8Array, at: number): number {
    return this.bigEndian ? page[at]! << 8 | page[at + 1]! : page[at]! | page[at + 1]! << 8;
  }

  u32(page: Uint8Array, at: number): number {
    if (this.bigEndian) {
      return (page[at]! << 24 | page[at + 1]! << 16 | page[at + 2]! << 8 | page[at + 3]!) >>> 0;
    }
    return (page[at]! | page[at + 1]! << 8 | page[at + 2]! << 16 | page[at + 3]! << 24) >>> 0;
  }

  fault(why: string): TableFault {
    return new TableFault(`${this.file.path} is damaged: ${why}`);
  }

  #checkMeta(kind: keyof typeof KINDS): void {
    const { magic, pageType, oldest, newest, refusedFlags } = KINDS[kind];
    const { meta, pageSize } = this;
    const version = this.u32(meta, META.version);
    const readable = this.u32(meta, META.magic) === magic && meta[META.type] === pageType &&
      version >= oldest && version <= newest && meta[META.encryption] === 0 &&
      (meta[META.metaFlags]! & 1) === 0 &&
      this.u32(meta, META.partitions) === 0 && (this.u32(meta, META.flags) & refusedFlags) === 0 &&
      pageSize >= 512 && pageSize <= 65536 && (pageSize & (pageSize - 1)) === 0;
    if (!readable) throw new TableFault("Invalid argument");
    if ((this.lastPage + 1) * pageSize > this.file.size) {
      throw this.fault("it is shorter than its header says: truncated");
    }
  }

  /** What can be said of a page at once; its items are checked when they are looked at. */
  #checkPage(page: Buffer, number: number): void {
    const type = page[PAGE.type]!;
    const own = this.u32(page, PAGE.number);
    if (own === 0 && type === 0) return; // a page never touched
    if (own !== number) throw this.fault(`page ${number} says it is page ${own}`);
    if (type === TYPE.overflow) {
      if (this.u16(page, PAGE.offset) > this.pageSize - PAGE.size) {
        throw this.fault(`page ${number} holds too much`);
      }
    } else if (isItemPage(type)) this.#checkEntries(page, number, type);
    else if (type !== TYPE.free) throw this.fault(`page ${number} is of unknown type ${type}`);
  }

  #checkEntries(page: Buffer, number: number, type: number): void {
    const entries = this.u16(page, PAGE.entries);
    if (type !== TYPE.btreeInternal && entries % 2 !== 0) {
      throw this.fault(`page ${number} has a key without value`);
    }
    if (PAGE.size + 2 * entries > this.pageSize) throw this.fault(`page ${number} has too many items`);
  }

  /** Where an item starts, in a page whose items must lie between its index and `end`. */
  start(page: Buffer, index: number, end: number): number {
    const start = this.u16(page, PAGE.size + 2 * index);
    if (start >= end || start < PAGE.size + 2 * this.u16(page, PAGE.entries)) throw this.outside(page, index);
    return start;
  }

  /** The complaint about an item that lies elsewhere. */
  outside(page: Buffer, index: number): TableFault {
    return this.fault(`item ${index} of page ${this.u32(page, PAGE.number)} lies outside its page`);
  }

  /** The complaint about an item that is none. */
  unknown(page: Buffer, index: number, type: number | undefined): TableFault {
    return this.fault(`item ${index} of page ${this.u32(page, PAGE.number)} is of unknown type ${type}`);
  }

  /** The page of that number, which must be of one of the types; in `own` memory if given, else as the pages are kept. */
  typed(number: number, types: readonly number[], own?: Buffer): Buffer {
    if (number === 0 || number > this.lastPage) throw this.fault(`it points to page ${number}, past its end`);
    if (own !== undefined) this.pages.read(number, own);
    const page = own ?? this.pages.page(number);
    const type = page[PAGE.type]!;
    if (type !== types[0] && type !== types[1] && type !== types[2]) {
      throw this.fault(`page ${number} is of type ${type}`);
    }
    return page;
  }

  #overflowPage(number: number): Buffer {
    if (number === 0 || number > this.lastPage) throw this.fault(`it points to page ${number}, past its end`);
    const page = this.#overflow ??= Buffer.allocUnsafeSlow(this.pageSize);
    this.pages.read(number, page);
    if (page[PAGE.type] !== TYPE.overflow) throw this.fault(`page ${number} is of type ${page[PAGE.type]}`);
    return page;
  }

  /** The content of an overflow chain of `length` bytes; the page in hand stays as it is. */
  chain(first: number, length: number): Buffer {
    if (length > this.file.size) throw this.fault(`an item claims ${length} bytes`);
    const out = Buffer.allocUnsafe(length);
    let filled = 0;
    let number = first;
    for (let steps = 0; filled < length; steps++) {
      if (steps > this.lastPage) throw this.fault("an overflow chain has no end");
      const page = this.#overflowPage(number);
      const size = this.u16(page, PAGE.offset);
      if (size === 0 || size > length - filled) {
        throw this.fault(`overflow page ${number} has the wrong size`);
      }
      page.copy(out, filled, PAGE.size, PAGE.size + size);
      filled += size;
      number = this.u32(page, PAGE.next);
    }
    return out;
  }

  unchanged(): boolean {
    return unchangedSinceOpened(this.file);
  }

  close(): void {
    this.pages.close();
    this.file.close();
  }
}
