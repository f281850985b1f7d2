import { compareBytes } from "../record_file.ts";
import { HEAD, type RecordBlock } from "./record_block.ts";

/** Up to so many are sorted one by one: an object for each of the small groups would cost more. */
const SMALL = 32;
/** Bytes of a key that are sorted by at a time. */
const STEP = 4;

/**
 * Sorts by four bytes of the keys at a time, then each group that agrees in them by the next four. Those bytes and the record's
 * place make a 64-bit number, and numbers are sorted natively; the keys themselves lie too far apart to be compared one by one.
 */
export class RecordSort {
  #bytes: Uint8Array = new Uint8Array(0);
  #heads: Int32Array = new Int32Array(0);
  #order: Uint32Array = new Uint32Array(0);
  /** Of each record its place (low word) and its bytes at the depth in hand (high word). */
  #pairs = new BigUint64Array(0);
  #words = new Uint32Array(0);
  /** The bits in which not all of those loaded last agree. */
  #differences = 0;

  /** Puts the places of a block's records in the bytewise order of their keys, shorter first. */
  sort({ bytes, words, places, length }: RecordBlock): void {
    this.#bytes = bytes;
    this.#heads = words;
    this.#order = places;
    if (this.#pairs.length < length) {
      this.#pairs = new BigUint64Array(length + (length >> 3));
      this.#words = new Uint32Array(this.#pairs.buffer);
    }
    this.#sort(0, length, 0);
  }

  /** Sorts the places `from` to `to`, whose keys agree before `depth`. */
  #sort(from: number, to: number, depth: number): void {
    for (let same = STEP; same > 0; depth += same) { // no recursion, however long the common beginning
      if (to - from <= SMALL || !this.#load(from, to, depth)) return this.#insertion(from, to, depth);
      same = Math.clz32(this.#differences) >> 3;
    }
    this.#pairs.subarray(from, to).sort();
    for (let at = from; at < to; at++) this.#order[at] = this.#words[2 * at]!;
    for (let start = from; start < to;) {
      const bytes = this.#words[2 * start + 1];
      let end = start + 1;
      while (end < to && this.#words[2 * end + 1] === bytes) end++;
      if (end - start > 1) this.#sort(start, end, depth + STEP);
      start = end;
    }
  }

  /** False when all keys have ended before that depth: only their lengths differ, and there are few such keys. */
  #load(from: number, to: number, depth: number): boolean {
    let longest = 0;
    let differences = 0;
    let before = 0;
    for (let at = from; at < to; at++) {
      const place = this.#order[at]!;
      const length = this.#heads[place >> 2]! - depth;
      const four = this.#four(place + HEAD + depth, length);
      if (length > longest) longest = length;
      if (at > from) differences |= four ^ before;
      before = four;
      this.#words[2 * at] = place;
      this.#words[2 * at + 1] = four;
    }
    this.#differences = differences;
    return longest > 0;
  }

  /** Four bytes, the first the highest; zero stands behind the end of a key. */
  #four(at: number, length: number): number {
    const bytes = this.#bytes;
    if (length >= STEP) {
      return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
    }
    let four = 0;
    for (let i = 0; i < STEP; i++) four = four << 8 | (i < length ? bytes[at + i]! : 0);
    return four >>> 0;
  }

  #insertion(from: number, to: number, depth: number): void {
    const order = this.#order;
    for (let at = from + 1; at < to; at++) {
      const place = order[at]!;
      let hole = at;
      while (hole > from && this.#compare(order[hole - 1]!, place, depth) > 0) {
        order[hole] = order[hole - 1]!;
        hole--;
      }
      order[hole] = place;
    }
  }

  #compare(a: number, b: number, depth: number): number {
    const bytes = this.#bytes;
    const aKey = a + HEAD;
    const bKey = b + HEAD;
    return compareBytes(
      bytes,
      aKey + depth,
      aKey + this.#heads[a >> 2]!,
      bytes,
      bKey + depth,
      bKey + this.#heads[b >> 2]!,
    );
  }
}
