import { compareBytes } from "./record_file.ts";
import type { RecordSet } from "./record_set.ts";

const SMALL = 16;
/** Bytes of a key that are sorted by at a time. */
const STEP = 4;

/** The living records in bytewise order of their keys, shorter first. */
export function sortedRecords(records: RecordSet): Uint32Array {
  const order = records.living();
  if (!records.isAscending) new KeySort(records, order).sort(0, order.length, 0);
  return order;
}

/**
 * Sorts by four bytes of the keys at a time, then each group that agrees in them by the next four. Those bytes and the record's
 * index make a 64-bit number, and numbers are sorted natively; the keys themselves lie too far apart to be compared one by one.
 */
class KeySort {
  readonly #arena: Uint8Array;
  readonly #start: Uint32Array;
  readonly #length: Uint32Array;
  readonly #order: Uint32Array;
  /** Of each place, the record's index (low word) and its bytes at the depth in hand (high word). */
  readonly #pairs: BigUint64Array;
  readonly #words: Uint32Array;

  constructor(records: RecordSet, order: Uint32Array) {
    this.#arena = records.arena;
    this.#start = records.keyStart;
    this.#length = records.keyLength;
    this.#order = order;
    this.#pairs = new BigUint64Array(order.length);
    this.#words = new Uint32Array(this.#pairs.buffer);
  }

  /** Sorts the places `from` to `to`, whose keys agree before `depth`. */
  sort(from: number, to: number, depth: number): void {
    for (;;) {
      if (to - from <= SMALL || !this.#load(from, to, depth)) return this.#insertion(from, to, depth);
      this.#pairs.subarray(from, to).sort();
      if (this.#words[2 * from + 1] !== this.#words[2 * to - 1]) break;
      depth += STEP; // all agree: no recursion, however long the common beginning
    }
    for (let at = from; at < to; at++) this.#order[at] = this.#words[2 * at]!;
    for (let start = from; start < to;) {
      const bytes = this.#words[2 * start + 1];
      let end = start + 1;
      while (end < to && this.#words[2 * end + 1] === bytes) end++;
      if (end - start > 1) this.sort(start, end, depth + STEP);
      start = end;
    }
  }

  /** False when all keys have ended before that depth: only their lengths differ, and there are few such keys. */
  #load(from: number, to: number, depth: number): boolean {
    let longest = 0;
    for (let at = from; at < to; at++) {
      const index = this.#order[at]!;
      const length = this.#length[index]! - depth;
      if (length > longest) longest = length;
      this.#words[2 * at] = index;
      this.#words[2 * at + 1] = this.#bytes(this.#start[index]! + depth, length);
    }
    return longest > 0;
  }

  /** Four bytes, the first the highest; zero stands behind the end of a key. */
  #bytes(at: number, length: number): number {
    const arena = this.#arena;
    if (length >= STEP) {
      return (arena[at]! << 24 | arena[at + 1]! << 16 | arena[at + 2]! << 8 | arena[at + 3]!) >>> 0;
    }
    let bytes = 0;
    for (let i = 0; i < STEP; i++) bytes = bytes << 8 | (i < length ? arena[at + i]! : 0);
    return bytes >>> 0;
  }

  #insertion(from: number, to: number, depth: number): void {
    const order = this.#order;
    for (let at = from + 1; at < to; at++) {
      const index = order[at]!;
      let hole = at;
      while (hole > from && this.#compare(order[hole - 1]!, index, depth) > 0) {
        order[hole] = order[hole - 1]!;
        hole--;
      }
      order[hole] = index;
    }
  }

  #compare(a: number, b: number, depth: number): number {
    const [aStart, bStart] = [this.#start[a]!, this.#start[b]!];
    const arena = this.#arena;
    return compareBytes(
      arena,
      aStart + depth,
      aStart + this.#length[a]!,
      arena,
      bStart + depth,
      bStart + this.#length[b]!,
    );
  }
}
