import { RandomAccessFile } from "../../platform/file/random_access_file.ts";
import { LMDB } from "./lmdb_format.ts";
import { PageCache, readFully, unchangedSinceOpened } from "./page_cache.ts";
import { compareBytes, type RecordFile, type StoredRecord, TableFault } from "./record_file.ts";

const INVALID = "MDB_INVALID: File is not an LMDB file";
const DEEPEST = 64;

interface Meta {
  readonly transaction: number;
  readonly pageSize: number;
  readonly lastPage: number;
  readonly root: number;
  readonly flags: number;
}

function u16(page: Uint8Array, at: number): number {
  return page[at]! | page[at + 1]! << 8;
}

function u32(page: Uint8Array, at: number): number {
  return (page[at]! | page[at + 1]! << 8 | page[at + 2]! << 16 | page[at + 3]! << 24) >>> 0;
}

/** A 64-bit number; page numbers that matter fit in 53 bits, and all ones stands for "none". */
function u64(page: Uint8Array, at: number): number {
  return u32(page, at) + u32(page, at + 4) * 2 ** 32;
}

const NONE = 2 ** 64;

/** An LMDB file, read (`lmdb:`). */
export class LmdbFile implements RecordFile {
  readonly #file: RandomAccessFile;
  readonly #meta: Meta;
  readonly #pages: PageCache;
  /** The first page and the head of the second. */
  #metas = Buffer.alloc(0);

  constructor(path: string) {
    this.#file = new RandomAccessFile(path);
    try {
      this.#meta = this.#readMeta();
      this.#pages = new PageCache(
        this.#file,
        this.#meta.pageSize,
        (page, number) => this.#check(page, number),
      );
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  get owner(): number {
    return this.#file.owner;
  }

  get diskReads(): number {
    return this.#pages.diskReads;
  }

  get isUnborn(): boolean {
    return this.#meta.transaction === 0;
  }

  #metaAt(position: number): Meta | undefined {
    const page = this.#metas.subarray(position);
    if (u32(page, LMDB.metaMagic) !== LMDB.magic || u32(page, LMDB.metaVersion) !== LMDB.version) {
      return undefined;
    }
    return {
      transaction: u64(page, LMDB.transaction),
      pageSize: u32(page, LMDB.freeDatabase),
      lastPage: u64(page, LMDB.lastPage),
      root: u64(page, LMDB.mainDatabase + LMDB.root),
      flags: u16(page, LMDB.mainDatabase + 4),
    };
  }

  /** Reads both metas, of pages of a size that is not known yet or known by now. */
  #loadMetas(pageSize: number): void {
    const length = pageSize + LMDB.metaEnd;
    if (this.#metas.length < length) this.#metas = Buffer.alloc(length);
    if (this.#file.read(this.#metas, 0, length) < length) throw new TableFault(INVALID);
  }

  /** The newer of the two metas counts. */
  #readMeta(): Meta {
    this.#loadMetas(0);
    const pageSize = this.#metaAt(0)?.pageSize ?? 0;
    if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) {
      throw new TableFault(INVALID);
    }
    this.#loadMetas(pageSize);
    const [first, second] = [this.#metaAt(0), this.#metaAt(pageSize)];
    if (first === undefined || second?.pageSize !== pageSize) throw new TableFault(INVALID);
    const meta = second.transaction > first.transaction ? second : first;
    if (meta.flags !== 0) throw new TableFault(INVALID);
    if ((meta.lastPage + 1) * pageSize > this.#file.size && meta.root < NONE) {
      throw this.#fault("it is shorter than its header says: truncated");
    }
    return meta;
  }

  /** The number of the last transaction now; transactions write the two metas in turn. */
  #lastTransaction(): number {
    const { pageSize } = this.#meta;
    this.#loadMetas(pageSize);
    return Math.max(
      u64(this.#metas, LMDB.transaction),
      u64(this.#metas, pageSize + LMDB.transaction),
    );
  }

  #fault(why: string): TableFault {
    return new TableFault(`${this.#file.path} is damaged: ${why}`);
  }

  /** What can be said of a page at once; its nodes are checked when they are looked at. */
  #check(page: Buffer, number: number): void {
    const flags = u16(page, LMDB.flags);
    if (flags !== LMDB.branch && flags !== LMDB.leaf) {
      throw this.#fault(`page ${number} is of unknown type ${flags}`);
    }
    if (u64(page, 0) !== number) throw this.#fault(`page ${number} says it is another`);
    const lower = u16(page, LMDB.lower);
    if (lower < LMDB.header || lower > this.#meta.pageSize || (lower & 1) !== 0) {
      throw this.#fault(`page ${number} has a bad size`);
    }
  }

  #outside(page: Buffer): TableFault {
    return this.#fault(`a node of page ${u64(page, 0)} lies outside its page`);
  }

  /** Where a node starts; the node and its key lie in the page. */
  #node(page: Buffer, index: number): number {
    const node = u16(page, LMDB.header + 2 * index);
    if (node < u16(page, LMDB.lower) || node + LMDB.node + u16(page, node + 6) > page.length) {
      throw this.#outside(page);
    }
    return node;
  }

  #page(number: number): Buffer {
    if (!(number <= this.#meta.lastPage) || number < 2) {
      throw this.#fault(`it points to page ${number}, past its end`);
    }
    return this.#pages.page(number);
  }

  #child(page: Buffer, node: number): number {
    return u32(page, node) + u16(page, node + 4) * 2 ** 32;
  }

  find(key: Uint8Array, length: number): Uint8Array | undefined {
    if (length === 0 || length > LMDB.longestKey || this.#meta.root >= NONE) return undefined;
    let page = this.#page(this.#meta.root);
    for (let depth = 0; u16(page, LMDB.flags) === LMDB.branch; depth++) {
      if (depth > DEEPEST) throw this.#fault("its tree has no leaves");
      page = this.#page(this.#child(page, this.#lastNotGreater(page, key, length)));
    }
    return this.#inLeaf(page, key, length);
  }

  #compare(page: Buffer, node: number, key: Uint8Array, length: number): number {
    const start = node + LMDB.node;
    return compareBytes(page, start, start + u16(page, node + 6), key, 0, length);
  }

  #nodes(page: Buffer): number {
    return (u16(page, LMDB.lower) - LMDB.header) >> 1;
  }

  #lastNotGreater(page: Buffer, key: Uint8Array, length: number): number {
    let low = 0;
    let high = this.#nodes(page) - 1;
    if (high < 0) throw this.#fault("a branch page is empty");
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#compare(page, this.#node(page, middle), key, length) <= 0) low = middle;
      else high = middle - 1;
    }
    return this.#node(page, low);
  }

  #inLeaf(page: Buffer, key: Uint8Array, length: number): Uint8Array | undefined {
    let low = 0;
    let high = this.#nodes(page) - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const node = this.#node(page, middle);
      const order = this.#compare(page, node, key, length);
      if (order === 0) return this.#value(page, node);
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  #value(page: Buffer, node: number): Uint8Array {
    const kind = u16(page, node + 4);
    const size = u32(page, node);
    const start = node + LMDB.node + u16(page, node + 6);
    if (start + (kind === LMDB.bigValue ? 8 : size) > page.length) throw this.#outside(page);
    if (kind === 0) return page.subarray(start, start + size);
    if (kind === LMDB.bigValue) return this.#overflow(u64(page, start), size);
    throw this.#fault(`a node of page ${u64(page, 0)} is of unknown type ${kind}`);
  }

  /** A value in a run of pages, of which only the first has a header. */
  #overflow(first: number, size: number): Uint8Array {
    const position = first * this.#meta.pageSize;
    if (!(first >= 2) || position + LMDB.header + size > this.#file.size) {
      throw this.#fault("a value lies past its end");
    }
    const run = Buffer.allocUnsafe(LMDB.header + size);
    readFully(this.#file, run, position);
    this.#pages.diskReads++;
    if (u64(run, 0) !== first || u16(run, LMDB.flags) !== LMDB.overflow) {
      throw this.#fault(`page ${first} holds no value`);
    }
    return run.subarray(LMDB.header);
  }

  *records(): IterableIterator<StoredRecord> {
    if (this.#meta.root < NONE) yield* this.#below(this.#meta.root, { pages: 0 }, 0);
  }

  *#below(number: number, seen: { pages: number }, depth: number): Generator<StoredRecord> {
    if (depth > DEEPEST || seen.pages++ > this.#meta.lastPage) throw this.#fault("its tree has no end");
    const page = Buffer.from(this.#page(number)); // the pages below take its place in memory
    const isBranch = u16(page, LMDB.flags) === LMDB.branch;
    for (let at = 0; at < this.#nodes(page); at++) {
      const node = this.#node(page, at);
      if (isBranch) yield* this.#below(this.#child(page, node), seen, depth + 1);
      else {
        const start = node + LMDB.node;
        yield { key: page.subarray(start, start + u16(page, node + 6)), value: this.#value(page, node) };
      }
    }
  }

  /** In place, real postmap writes new pages and then one meta: the tree we read is whole until pages are used again. */
  unchanged(): boolean {
    if (!unchangedSinceOpened(this.#file)) return false;
    return this.#lastTransaction() === this.#meta.transaction;
  }

  close(): void {
    this.#pages.close();
    this.#file.close();
  }
}
