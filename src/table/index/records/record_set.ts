import type { ScratchSpace } from "../../../platform/file/scratch_space.ts";
import { hashBytes } from "../bdb_format.ts";
import { compareBytes, TableFault } from "../record_file.ts";
import { KeyPlaces } from "./key_places.ts";
import { HEAD, sizeOf } from "./record_block.ts";

/** What to do with a key that is there already (postmap(1)): keep the first, or take the last, or (cdb -w) keep both. */
export type OnDuplicate = "keep" | "replace" | "both";

/** Where records go that memory is too small for. */
export interface SetLimits {
  /** Makes space for them; without, all stay in memory. */
  readonly scratch?: () => ScratchSpace;
  /** Bytes of records that are kept in memory before they are written there. */
  readonly memory?: number;
}

const MEMORY = 1 << 19;
const LEAST = 1 << 14;
/** Places are numbers of four bytes, and are told in steps of four. */
const MOST = 2 ** 33 - 4;

/**
 * A record: its head is at `at` of the bytes, which are also there as numbers of four bytes; behind it the key, and the value
 * behind that. False ends the walk.
 */
export type EachRecord = (bytes: Uint8Array, words: Int32Array, at: number) => boolean | void;

/**
 * Records by the million, on their way into an index. They lie one after the other in a file without a name once they are more
 * than some, so that memory holds only where each key is, which finds it again. As long as keys come in ascending order no key can
 * be there already, and not even that is kept.
 */
export class RecordSet {
  /** The records that came last. */
  arena: Uint8Array<ArrayBuffer>;
  /** Records that live. */
  count = 0;
  readonly #limits: SetLimits;
  readonly #memory: number;
  #words: Int32Array;
  #filled = 0;
  #scratch: ScratchSpace | undefined;
  /** Bytes of records in the scratch space. */
  #spooled = 0;
  /** Bytes of all keys and values, and of the longest of them. */
  #dataBytes = 0;
  #longest = 0;
  #ascending = true;
  /** Where the last key is. */
  #last = { bytes: new Uint8Array(0), start: 0, end: 0 };
  #places: KeyPlaces | undefined;
  #expected = 0;
  /** Positions of records that live no longer. */
  #removed: number[] = [];
  /** All records are in the scratch space, and the arena is free for reading them. */
  #isSealed = false;
  #spare = new ArrayBuffer(0);
  #sought = { start: 0, length: 0 };
  #seen = new Uint8Array(256);

  constructor(limits: SetLimits = {}) {
    this.#limits = limits;
    this.#memory = limits.memory ?? MEMORY;
    this.arena = new Uint8Array(Math.min(LEAST, this.#memory) & ~3);
    this.#words = new Int32Array(this.arena.buffer);
  }

  /** Whether the records came in ascending order of their keys, all different. */
  get isAscending(): boolean {
    return this.#ascending;
  }

  /** Bytes of all records, with their heads. */
  get size(): number {
    return this.#spooled + this.#filled;
  }

  /** Whether they are more than memory is for. */
  get isLarge(): boolean {
    return this.#scratch !== undefined;
  }

  /** Bytes of all keys and values where none is longer than `most` and no record has been removed: it need not be counted. */
  dataBytes(most: number): number | undefined {
    return this.#longest <= most && this.#removed.length === 0 ? this.#dataBytes : undefined;
  }

  /** How many records there will be, as far as can be told. */
  expect(records: number): void {
    this.#expected = records;
    if (this.isLarge) this.#places?.expect(records);
  }

  /** Room for `bytes` more; answers where in the arena they may be written. */
  reserve(bytes: number): number {
    if (this.#filled + HEAD + bytes + 3 > this.arena.length) this.#makeRoom(HEAD + bytes + 3);
    return this.#filled + HEAD;
  }

  #makeRoom(bytes: number): void {
    const { scratch } = this.#limits;
    if (scratch !== undefined && this.#filled > 0 && this.#filled + bytes > this.#memory) {
      this.#scratch ??= scratch();
      this.#spill(this.#scratch);
    }
    if (this.#filled + bytes <= this.arena.length) return;
    const arena = new Uint8Array((Math.max(2 * this.arena.length, this.#filled + bytes) + 3) & ~3);
    arena.set(this.arena.subarray(0, this.#filled));
    if (this.#last.bytes === this.arena) this.#last.bytes = arena;
    this.arena = arena;
    this.#words = new Int32Array(arena.buffer);
  }

  #spill(scratch: ScratchSpace): void {
    this.#places?.expect(this.#expected);
    if (this.#spooled + this.#filled > MOST) throw new TableFault("more than 8 GiB of records");
    scratch.write(this.arena.subarray(0, this.#filled), this.#spooled);
    const { bytes, start, end } = this.#last;
    if (bytes === this.arena) this.#last = { bytes: bytes.slice(start, end), start: 0, end: end - start };
    this.#spooled += this.#filled;
    this.#filled = 0;
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

  /** Makes a record of the bytes that were written to the reserved place: key, then value. `hash`: that of the key, if known. */
  commit(
    keyLength: number,
    valueLength: number,
    onDuplicate: OnDuplicate,
    hash = hashBytes(this.arena, this.#filled + HEAD, this.#filled + HEAD + keyLength),
  ): boolean {
    const start = this.#filled + HEAD;
    const ascends = this.#ascending && this.#isAboveLast(start, start + keyLength);
    if (this.#places === undefined && (ascends || onDuplicate === "both")) {
      this.#append(keyLength, valueLength, hash);
      this.#ascending = ascends;
      return true;
    }
    this.#ascending = ascends;
    return this.#commitPlaced(keyLength, valueLength, hash, onDuplicate);
  }

  #isAboveLast(start: number, end: number): boolean {
    const last = this.#last;
    return this.size === 0 || compareBytes(last.bytes, last.start, last.end, this.arena, start, end) < 0;
  }

  #commitPlaced(keyLength: number, valueLength: number, hash: number, onDuplicate: OnDuplicate): boolean {
    const places = this.#places ??= this.#placesOfAll();
    const slot = this.#find(places, hash, this.#filled + HEAD, keyLength);
    const there = places.placeIn(slot);
    if (there !== 0 && onDuplicate === "keep") return false;
    if (there !== 0 && onDuplicate === "replace") this.#remove(there);
    const place = this.#append(keyLength, valueLength, hash);
    if (there === 0 || onDuplicate === "replace") places.put(slot, hash, place);
    return there === 0;
  }

  /** Answers the place of the new record. */
  #append(keyLength: number, valueLength: number, hash: number): number {
    const word = this.#filled >> 2;
    this.#words[word] = keyLength;
    this.#words[word + 1] = valueLength;
    this.#words[word + 2] = hash;
    const start = this.#filled + HEAD;
    this.#dataBytes += keyLength + valueLength;
    if (keyLength > this.#longest) this.#longest = keyLength;
    if (valueLength > this.#longest) this.#longest = valueLength;
    this.#last.bytes = this.arena;
    this.#last.start = start;
    this.#last.end = start + keyLength;
    const place = this.size / 4 + 1;
    this.#filled += sizeOf(keyLength, valueLength);
    this.count++;
    return place;
  }

  /** Removes the record with that key; false when there is none. */
  remove(key: Uint8Array): boolean {
    const places = this.#places ??= this.#placesOfAll();
    const at = this.reserve(key.length);
    this.arena.set(key, at);
    const slot = this.#find(places, hashBytes(key, 0, key.length), at, key.length);
    const there = places.placeIn(slot);
    if (there === 0) return false;
    this.#remove(there);
    places.remove(slot);
    return true;
  }

  #remove(place: number): void {
    this.#removed.push(4 * (place - 1));
    this.count--;
  }

  #find(places: KeyPlaces, hash: number, start: number, length: number): number {
    this.#sought.start = start;
    this.#sought.length = length;
    return places.slotOf(hash, this.#isSought);
  }

  /** Whether the key of the record at that place is the one that is looked for, which is in the arena. */
  readonly #isSought = (place: number): boolean => {
    const { start, length } = this.#sought;
    const position = 4 * (place - 1);
    if (position >= this.#spooled) {
      const at = position - this.#spooled;
      return this.#words[at >> 2] === length && this.#same(this.arena, at + HEAD, start, length);
    }
    if (this.#seen.length < HEAD + length) this.#seen = new Uint8Array(2 * (HEAD + length));
    const got = this.#read(this.#seen, position, HEAD + length);
    const [a, b, c, d] = this.#seen;
    const keyLength = a! | b! << 8 | c! << 16 | d! << 24;
    return got === HEAD + length && keyLength === length && this.#same(this.#seen, HEAD, start, length);
  };

  #same(bytes: Uint8Array, from: number, start: number, length: number): boolean {
    for (let at = 0; at < length; at++) {
      if (bytes[from + at] !== this.arena[start + at]) return false;
    }
    return true;
  }

  #read(into: Uint8Array, position: number, length: number): number {
    return this.#scratch?.read(into, position, length) ?? 0;
  }

  #placesOfAll(): KeyPlaces {
    const places = new KeyPlaces(Math.max(this.count, this.isLarge ? this.#expected : 0));
    this.#walk((_bytes, words, at, position) => {
      places.add(words[(at >> 2) + 2]!, position / 4 + 1);
    });
    return places;
  }

  /** All records in the order in which they came. */
  #walk(each: (bytes: Uint8Array, words: Int32Array, at: number, position: number) => boolean | void): void {
    let bytes = this.#isSealed ? this.arena : new Uint8Array(Math.min(this.#spooled, MEMORY));
    for (let position = 0, held = 0; position < this.#spooled;) {
      const room = bytes.subarray(held);
      const length = Math.min(room.length, this.#spooled - position - held);
      if (this.#read(room, position + held, length) < length) {
        throw new TableFault("the scratch file has lost records");
      }
      const end = held + length;
      const next = walkPiece(bytes, end, position, each);
      if (next < 0) return;
      bytes.copyWithin(0, next, end);
      held = end - next;
      position += next;
      if (next === 0 && held === bytes.length) bytes = grown(bytes);
    }
    walkPiece(this.arena, this.#filled, this.#spooled, each);
  }

  /** All living records in the order in which they came. */
  forEach(each: EachRecord): void {
    const removed = Float64Array.from(this.#removed).sort();
    let next = 0;
    this.#walk((bytes, words, at, position) => {
      if (removed[next] === position) return void next++;
      return each(bytes, words, at);
    });
  }

  /** More space of the kind that the records went to; undefined where they are few enough for memory. */
  moreScratch(): ScratchSpace | undefined {
    return this.#scratch === undefined ? undefined : this.#limits.scratch?.();
  }

  /** Bytes of records that may be in memory at once while an index is written. */
  get blockSize(): number {
    return BLOCK * this.#memory;
  }

  /** No record comes any more: an index is written now. */
  seal(): void {
    if (this.#scratch !== undefined) {
      this.#spill(this.#scratch);
      this.#isSealed = true;
    }
    if (this.#places !== undefined) this.#spare = this.#places.takeMemory();
    this.#places = undefined;
  }

  /** Memory for at least so many bytes: what told the keys, where that was as much, since it is not given back soon. */
  takeMemory(bytes: number): ArrayBuffer {
    const spare = this.#spare;
    if (spare.byteLength < bytes) return new ArrayBuffer((bytes + 7) & ~7);
    this.#spare = new ArrayBuffer(0);
    return spare;
  }

  /** Gives the space of the records back, who have been copied elsewhere or are needed no more. */
  close(): void {
    this.#scratch?.close();
    this.#scratch = undefined;
  }
}

/** Walks the whole records of `bytes[0..end)`; answers where they end, or -1 when `each` has had enough. */
function walkPiece(
  bytes: Uint8Array<ArrayBuffer>,
  end: number,
  position: number,
  each: (bytes: Uint8Array, words: Int32Array, at: number, position: number) => boolean | void,
): number {
  const words = new Int32Array(bytes.buffer);
  let at = 0;
  while (at + HEAD <= end) {
    const next = at + sizeOf(words[at >> 2]!, words[(at >> 2) + 1]!);
    if (next > end) break;
    if (each(bytes, words, at, position + at) === false) return -1;
    at = next;
  }
  return at;
}

function grown(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * bytes.length);
  larger.set(bytes);
  return larger;
}

/** How many times the bytes that are kept of new records may be in memory while an index is written. */
const BLOCK = 4;
