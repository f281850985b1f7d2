import { hashBytes } from "./bdb_format.ts";

/** What to do with a key that is there already (postmap(1)): keep the first, or take the last, or (cdb -w) keep both. */
export type OnDuplicate = "keep" | "replace" | "both";

/**
 * Records in memory by the million: bytes lie one after the other in an arena, numbers in typed columns, and an open
 * addressing table finds a key again. Objects would take ten times the room.
 */
export class RecordSet {
  arena: Uint8Array;
  keyStart: Uint32Array;
  keyLength: Uint32Array;
  valueStart: Uint32Array;
  valueLength: Uint32Array;
  /** Hash of the key, signed. */
  hash: Int32Array;
  /** Records added, the dead ones included; valid indexes are below. */
  length = 0;
  /** Records that live. */
  count = 0;
  #filled = 0;
  #dead: Uint8Array;
  /** Index + 1 of a record, 0 for an empty slot. */
  #slots: Int32Array;

  constructor(expectedBytes = 1 << 16) {
    const records = Math.max(1024, expectedBytes >> 6);
    this.arena = new Uint8Array(expectedBytes + (expectedBytes >> 3) + 1024);
    this.keyStart = new Uint32Array(records);
    this.keyLength = new Uint32Array(records);
    this.valueStart = new Uint32Array(records);
    this.valueLength = new Uint32Array(records);
    this.hash = new Int32Array(records);
    this.#dead = new Uint8Array(records);
    this.#slots = new Int32Array(4096);
  }

  isDead(index: number): boolean {
    return this.#dead[index] === 1;
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
    const hash = hashBytes(this.arena, start, start + keyLength);
    if (2 * (this.length + 1) > this.#slots.length) this.#rehash();
    const slot = this.#slot(hash, start, keyLength);
    const there = this.#slots[slot]! - 1;
    const fresh = there < 0 || this.#dead[there] === 1;
    if (!fresh && onDuplicate === "keep") return false;
    if (!fresh && onDuplicate === "replace") this.#kill(there);
    const index = this.#append(start, keyLength, valueLength, hash);
    if (fresh || onDuplicate === "replace") this.#slots[slot] = index + 1;
    return fresh;
  }

  #append(start: number, keyLength: number, valueLength: number, hash: number): number {
    if (this.length === this.hash.length) this.#growColumns();
    const index = this.length++;
    this.keyStart[index] = start;
    this.keyLength[index] = keyLength;
    this.valueStart[index] = start + keyLength;
    this.valueLength[index] = valueLength;
    this.hash[index] = hash;
    this.#filled = start + keyLength + valueLength;
    this.count++;
    return index;
  }

  /** Index of the living record with that key, or -1. */
  find(key: Uint8Array): number {
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
        this.hash[there] === hash && this.keyLength[there] === length &&
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
    const size = this.hash.length * 2;
    const grown = <T extends Uint32Array | Int32Array | Uint8Array>(
      column: T,
      larger: T,
    ): T => (larger.set(column), larger);
    this.keyStart = grown(this.keyStart, new Uint32Array(size));
    this.keyLength = grown(this.keyLength, new Uint32Array(size));
    this.valueStart = grown(this.valueStart, new Uint32Array(size));
    this.valueLength = grown(this.valueLength, new Uint32Array(size));
    this.hash = grown(this.hash, new Int32Array(size));
    this.#dead = grown(this.#dead, new Uint8Array(size));
  }

  #rehash(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 4);
    const mask = this.#slots.length - 1;
    for (let at = 0; at < old.length; at++) {
      const entry = old[at]!;
      if (entry === 0) continue;
      let slot = spread(this.hash[entry - 1]!) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = entry;
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

  key(index: number): Uint8Array {
    return this.arena.subarray(this.keyStart[index]!, this.keyStart[index]! + this.keyLength[index]!);
  }

  value(index: number): Uint8Array {
    return this.arena.subarray(this.valueStart[index]!, this.valueStart[index]! + this.valueLength[index]!);
  }

  /** Frees what only adding needs, before a file is written. */
  seal(): void {
    this.#slots = new Int32Array(0);
  }
}

function spread(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ (hash >>> 12);
}
