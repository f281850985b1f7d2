import { BdbFile } from "./bdb_file.ts";
import { ITEM, META, PAGE, TYPE } from "./bdb_format.ts";
import { compareBytes, type RecordFile, type StoredRecord } from "./record_file.ts";

/** A tree deeper than this has a loop. */
const DEEPEST = 64;

/** An item's type byte: what it is, and a flag. */
const KIND = 0x7f;
const DELETED = 0x80;

const LEAF = [TYPE.btreeLeaf];
const ANY = [TYPE.btreeInternal, TYPE.btreeLeaf];

/** A Berkeley DB btree file, read (`btree:`). */
export class BtreeFile implements RecordFile {
  readonly #bdb: BdbFile;
  readonly #root: number;

  constructor(path: string) {
    this.#bdb = new BdbFile(path, "btree");
    this.#root = this.#bdb.u32(this.#bdb.meta, META.root);
  }

  get owner(): number {
    return this.#bdb.file.owner;
  }

  get diskReads(): number {
    return this.#bdb.pages.diskReads;
  }

  #page(number: number, own?: Buffer): Buffer {
    return this.#bdb.typed(number, ANY, own);
  }

  #entries(page: Buffer): number {
    return this.#bdb.u16(page, PAGE.entries);
  }

  /** Where an item of a leaf starts; its bytes are in the page, or it points to a chain. */
  #leafItem(page: Buffer, index: number): number {
    const { pageSize } = this.#bdb;
    const start = this.#bdb.start(page, index, pageSize - 2);
    const kind = page[start + 2]! & KIND;
    if (kind !== ITEM.data && kind !== ITEM.offPage) throw this.#bdb.unknown(page, index, kind);
    const end = start + (kind === ITEM.data ? 3 + this.#bdb.u16(page, start) : 12);
    if (end > pageSize) throw this.#bdb.outside(page, index);
    return start;
  }

  /** Where an item of an internal page starts. */
  #internalItem(page: Buffer, index: number): number {
    const { pageSize } = this.#bdb;
    const start = this.#bdb.start(page, index, pageSize - 11);
    const kind = page[start + 2]! & KIND;
    if (kind !== ITEM.data && kind !== ITEM.offPage) throw this.#bdb.unknown(page, index, kind);
    const end = start + (kind === ITEM.data ? 12 + this.#bdb.u16(page, start) : 24);
    if (end > pageSize) throw this.#bdb.outside(page, index);
    return start;
  }

  find(key: Uint8Array, length: number): Uint8Array | undefined {
    let page = this.#page(this.#root);
    for (let depth = 0; page[PAGE.type] === TYPE.btreeInternal; depth++) {
      if (depth > DEEPEST) throw this.#bdb.fault("its tree has no leaves");
      page = this.#page(this.#child(page, key, length));
    }
    return this.#inLeaf(page, key, length);
  }

  /** The child whose range holds the key: the last one whose key is not greater. Item 0 is lower than all. */
  #child(page: Buffer, key: Uint8Array, length: number): number {
    let low = 0;
    let high = this.#entries(page) - 1;
    if (high < 0) throw this.#bdb.fault("an internal page is empty");
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#compareInternal(page, middle, key, length) <= 0) low = middle;
      else high = middle - 1;
    }
    return this.#bdb.u32(page, this.#internalItem(page, low) + 4);
  }

  #compareInternal(page: Buffer, index: number, key: Uint8Array, length: number): number {
    const start = this.#internalItem(page, index);
    if ((page[start + 2]! & KIND) === ITEM.data) {
      return compareBytes(page, start + 12, start + 12 + this.#bdb.u16(page, start), key, 0, length);
    }
    const stored = this.#bdb.chain(this.#bdb.u32(page, start + 16), this.#bdb.u32(page, start + 20));
    return compareBytes(stored, 0, stored.length, key, 0, length);
  }

  #inLeaf(page: Buffer, key: Uint8Array, length: number): Uint8Array | undefined {
    let low = 0;
    let high = (this.#entries(page) >> 1) - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const order = this.#compareLeaf(page, 2 * middle, key, length);
      if (order === 0) {
        return this.#isDeleted(page, 2 * middle) ? undefined : this.#item(page, 2 * middle + 1);
      }
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  #isDeleted(page: Buffer, index: number): boolean {
    return (page[this.#leafItem(page, index) + 2]! & DELETED) !== 0 ||
      (page[this.#leafItem(page, index + 1) + 2]! & DELETED) !== 0;
  }

  #compareLeaf(page: Buffer, index: number, key: Uint8Array, length: number): number {
    const start = this.#leafItem(page, index);
    if ((page[start + 2]! & KIND) === ITEM.data) {
      return compareBytes(page, start + 3, start + 3 + this.#bdb.u16(page, start), key, 0, length);
    }
    const stored = this.#item(page, index);
    return compareBytes(stored, 0, stored.length, key, 0, length);
  }

  #item(page: Buffer, index: number): Uint8Array {
    const start = this.#leafItem(page, index);
    if ((page[start + 2]! & KIND) === ITEM.data) {
      return page.subarray(start + 3, start + 3 + this.#bdb.u16(page, start));
    }
    return this.#bdb.chain(this.#bdb.u32(page, start + 4), this.#bdb.u32(page, start + 8));
  }

  *records(): IterableIterator<StoredRecord> {
    const own = Buffer.allocUnsafeSlow(this.#bdb.pageSize); // lookups meanwhile do not touch it
    let page = this.#page(this.#root, own);
    for (let depth = 0; page[PAGE.type] === TYPE.btreeInternal; depth++) {
      if (depth > DEEPEST || this.#entries(page) === 0) throw this.#bdb.fault("its tree has no leaves");
      page = this.#page(this.#bdb.u32(page, this.#internalItem(page, 0) + 4), own);
    }
    for (let steps = 0;; steps++) {
      if (steps > this.#bdb.lastPage) throw this.#bdb.fault("its leaves have no end");
      const entries = this.#entries(page);
      for (let at = 0; at < entries; at += 2) {
        if (!this.#isDeleted(page, at)) yield { key: this.#item(page, at), value: this.#item(page, at + 1) };
      }
      const next = this.#bdb.u32(page, PAGE.next);
      if (next === 0) return;
      page = this.#bdb.typed(next, LEAF, own);
    }
  }

  unchanged(): boolean {
    return this.#bdb.unchanged();
  }

  close(): void {
    this.#bdb.close();
  }
}
