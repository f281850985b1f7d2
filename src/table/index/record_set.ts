import { hashBytes } from "./bdb_format.ts";
import { compareBytes } from "./record_file.ts";

/** What to do with a key that is there already (postmap(1)): keep the first, or take the last, or (cdb -w) keep both. */
export type OnDuplicate = "keep" | "replace" | "both";

/**
 * Records in memory by the million: bytes lie one after the other in an arena, numbers in typed columns, and an open
 * addressing table finds a key again. Objects would take ten times the room. As long as keys come in ascending order no key
 * can be there already, and the table is not made.
 */
export class RecordSet {
  arena: Uint8Array;
  /** A record is its key and behind it its value. */
  keyStart: Uint32Array;
  keyLength: Uint32Array;
  valueLength: Uint32Array;
  /** Records added, the dead ones included; valid indexes are below. */
  length = 0;
  /** Records that live. */
  count = 0;
  #filled = 0;
  #dead: Uint8Array;
  #ascending = true;
  #touched = 0;
  /** Hash of each key, signed; of the first `#hashed` records so far. */
  #hash: Int32Array;
  #hashed = 0;
  /** Index + 1 of a record, 0 for an empty slot; no slots while there was nothing to find. */
  #slots = new Int32Array(0);

  constructor(expectedBytes = 1 << 16) {
    const records = Math.max(1024, expectedBytes >> 5);
    this.arena = new Uint8Array(expectedBytes + (expectedBytes >> 3) + 1024);
    this.keyStart = new Uint32Array(records);
    this.keyLength = new Uint32Array(records);
    this.valueLength = new Uint32Array(records);
    this.#hash = new Int32Array(records);
    this.#dead = new Uint8Array(records);
  }

  isDead(index: number): boolean {
    return this.#dead[index] === 1;
  }

  /** Whether the records came in ascending order of their keys, all different. */
  get isAscending(): boolean {
    return this.#ascending;
  }

  /** Room for `bytes` more; answers where they may be written. */
  reserve(bytes: number): number {
    if (this.#filled + bytes > this.arena.length) {
      const arena = new Uint8Array(
        Math.max(this.arena.length + (this.arena.length >> 1), this.#filled + bytes),
      );
      arena.set(this.arena.subarray(0, this.#filled));
      this.arena = arena;
    }
    return this.#filled;
  }

  /** Adds a record from bytes outside. False when the key was there already. */
  add(key: Uint8Array, value: Uint8Array, terminate: boolean, onDuplicate: OnDuplicate): boolean {
    const nul = terminate ? 1 : 0;
    const at = this.reserve(key.length + value.length + 2 * nul);
    this.arena.set(key, at);
    this.arena.set(value, at + key.length + nul);
    if (terminate) {
      this.arena[at + key.length] = 0;
      this.arena[at + key.length + 1 + value.length] = 0;
    }
    return this.commit(key.length + nul, value.length + nul, onDuplicate);
  }

  /** Makes a record of the bytes that were written to the reserved place: key, then value. */
  commit(keyLength: number, valueLength: number, onDuplicate: OnDuplicate): boolean {
    const start = this.#filled;
    const ascends = this.#ascending && this.#isAboveLast(start, keyLength);
    if (this.#slots.length === 0 && (ascends || onDuplicate === "both")) {
      this.#append(start, keyLength, valueLength);
      this.#ascending = ascends;
      return true;
    }
    this.#ascending = ascends;
    return this.#commitIndexed(keyLength, valueLength, onDuplicate);
  }

  #isAboveLast(start: number, length: number): boolean {
    if (this.length === 0) return true;
    const last = this.keyStart[this.length - 1]!;
    const { arena } = this;
    return compareBytes(arena, last, last + this.keyLength[this.length - 1]!, arena, start, start + length) <
      0;
  }

  #commitIndexed(keyLength: number, valueLength: number, onDuplicate: OnDuplicate): boolean {
    const start = this.#filled;
    if (2 * (this.length + 1) > this.#slots.length) this.#index();
    const hash = hashBytes(this.arena, start, start + keyLength);
    const slot = this.#slot(hash, start, keyLength);
    const there = this.#slots[slot]! - 1;
    const fresh = there < 0 || this.#dead[there] === 1;
    if (!fresh && onDuplicate === "keep") return false;
    if (!fresh && onDuplicate === "replace") this.#kill(there);
    const index = this.#append(start, keyLength, valueLength);
    this.#hash[index] = hash;
    this.#hashed = this.length;
    if (fresh || onDuplicate === "replace") this.#slots[slot] = index + 1;
    return fresh;
  }

  #append(start: number, keyLength: number, valueLength: number): number {
    if (this.length === this.keyStart.length) this.#growColumns();
    const index = this.length++;
    this.keyStart[index] = start;
    this.keyLength[index] = keyLength;
    this.valueLength[index] = valueLength;
    this.#filled = start + keyLength + valueLength;
    this.count++;
    return index;
  }

  /** Index of the living record with that key, or -1. */
  find(key: Uint8Array): number {
    if (this.#slots.length === 0) this.#index();
    const at = this.reserve(key.length);
    this.arena.set(key, at);
    const there = this.#slots[this.#slot(hashBytes(key, 0, key.length), at, key.length)]! - 1;
    return there < 0 || this.#dead[there] === 1 ? -1 : there;
  }

  /** Removes the record with that key; false when there is none. */
  remove(key: Uint8Array): boolean {
    const index = this.find(key);
    if (index >= 0) this.#kill(index);
    return index >= 0;
  }

  #kill(index: number): void {
    this.#dead[index] = 1;
    this.count--;
  }

  /** Where the key's slot is, or where it would go. */
  #slot(hash: number, start: number, length: number): number {
    const mask = this.#slots.length - 1;
    // the stored hash has weak low bits on short keys: spread it
    for (let slot = spread(hash) & mask;; slot = (slot + 1) & mask) {
      const there = this.#slots[slot]! - 1;
      if (there < 0) return slot;
      if (
        this.#hash[there] === hash && this.keyLength[there] === length &&
        this.#same(this.keyStart[there]!, start, length)
      ) {
        return slot;
      }
    }
  }

  #same(a: number, b: number, length: number): boolean {
    for (let at = 0; at < length; at++) {
      if (this.arena[a + at] !== this.arena[b + at]) return false;
    }
    return true;
  }

  #growColumns(): void {
    const size = this.keyStart.length * 2;
    const grown = <T extends Uint32Array | Int32Array | Uint8Array>(
      column: T,
      larger: T,
    ): T => (larger.set(column), larger);
    this.keyStart = grown(this.keyStart, new Uint32Array(size));
    this.keyLength = grown(this.keyLength, new Uint32Array(size));
    this.valueLength = grown(this.valueLength, new Uint32Array(size));
    this.#hash = grown(this.#hash, new Int32Array(size));
    this.#dead = grown(this.#dead, new Uint8Array(size));
  }

  /** The hash of each key, signed. */
  hashes(): Int32Array {
    const { arena, keyStart, keyLength } = this;
    for (; this.#hashed < this.length; this.#hashed++) {
      const start = keyStart[this.#hashed]!;
      this.#hash[this.#hashed] = hashBytes(arena, start, start + keyLength[this.#hashed]!);
    }
    return this.#hash;
  }

  /** Makes the slots anew, for all records so far and as many more. Of equal keys the first that lives is found. */
  #index(): void {
    let size = 4096;
    while (size < 2 * this.keyStart.length || size < 4 * (this.length + 1)) size *= 2;
    this.#slots = new Int32Array(size);
    const hash = this.hashes();
    const distinct = this.#ascending;
    const mask = size - 1;
    for (let index = 0; index < this.length; index++) {
      if (this.#dead[index] === 1) continue;
      let slot = spread(hash[index]!) & mask;
      if (distinct) { while (this.#slots[slot] !== 0) slot = (slot + 1) & mask; }
      else slot = this.#slot(hash[index]!, this.keyStart[index]!, this.keyLength[index]!);
      if (this.#slots[slot] === 0) this.#slots[slot] = index + 1;
    }
  }

  /** Indexes of the living records, in order of insertion. */
  living(): Uint32Array {
    const out = new Uint32Array(this.count);
    let at = 0;
    for (let index = 0; index < this.length; index++) {
      if (this.#dead[index] === 0) out[at++] = index;
    }
    return out;
  }

  /**
   * Looks at some records that will be asked for next. Records in the order of their keys lie all over the memory; looked at
   * in a loop that needs none of them for the next, they come from there several at a time.
   */
  touch(order: Uint32Array, from: number, to: number): void {
    const { arena, keyStart, keyLength, valueLength } = this;
    let sum = 0;
    for (let at = from; at < to && at < order.length; at++) {
      const index = order[at]!;
      const start = keyStart[index]!;
      sum += arena[start]! + arena[start + keyLength[index]! + valueLength[index]! - 1]!;
    }
    this.#touched = sum; // a sum that nobody keeps need not be made
  }

  key(index: number): Uint8Array {
    return this.arena.subarray(this.keyStart[index]!, this.keyStart[index]! + this.keyLength[index]!);
  }

  value(index: number): Uint8Array {
    const start = this.keyStart[index]! + this.keyLength[index]!;
    return this.arena.subarray(start, start + this.valueLength[index]!);
  }

  /** Frees what only adding needs, before a file is written. */
  seal(): void {
    this.#slots = new Int32Array(0);
  }
}

function spread(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ (hash >>> 12);
}
