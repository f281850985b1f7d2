import { compareBytes } from "./record_file.ts";
import type { RecordSet } from "./record_set.ts";

const SMALL = 24;

/** The living records in bytewise order of their keys, shorter first: radix sort from the first byte on. */
export function sortedRecords(records: RecordSet): Uint32Array {
  const order = records.living();
  if (records.isAscending) return order;
  new RadixSort(records, order.length).sort(order, 0);
  return order;
}

class RadixSort {
  readonly #arena: Uint8Array;
  readonly #start: Uint32Array;
  readonly #length: Uint32Array;
  readonly #spare: Uint32Array;

  constructor(records: RecordSet, count: number) {
    this.#arena = records.arena;
    this.#start = records.keyStart;
    this.#length = records.keyLength;
    this.#spare = new Uint32Array(count);
  }

  /** Sorts indexes whose keys agree before `depth`. */
  sort(order: Uint32Array, depth: number): void {
    for (;;) {
      if (order.length <= SMALL) return this.#insertion(order, depth);
      const starts = this.#distribute(order, depth);
      const only = starts.findIndex((start, at) => at < 257 && starts[at + 1]! - start === order.length);
      if (only === 0) return; // all keys end here: equal
      if (only > 0) {
        depth++; // all agree in this byte: no copy, no recursion
        continue;
      }
      for (let byte = 1; byte < 257; byte++) {
        if (starts[byte + 1]! - starts[byte]! > 1) {
          this.sort(order.subarray(starts[byte]!, starts[byte + 1]!), depth + 1);
        }
      }
      return;
    }
  }

  /** Groups by the byte at `depth`; 0 stands for a key that has ended. */
  #distribute(order: Uint32Array, depth: number): Uint32Array {
    const starts = new Uint32Array(258);
    for (let at = 0; at < order.length; at++) starts[this.#byte(order[at]!, depth) + 1]++;
    for (let byte = 0; byte < 257; byte++) starts[byte + 1] += starts[byte]!;
    const next = starts.slice(0, 257);
    const spare = this.#spare.subarray(0, order.length);
    for (let at = 0; at < order.length; at++) spare[next[this.#byte(order[at]!, depth)]!++] = order[at]!;
    order.set(spare);
    return starts;
  }

  #byte(index: number, depth: number): number {
    return depth < this.#length[index]! ? this.#arena[this.#start[index]! + depth]! + 1 : 0;
  }

  #insertion(order: Uint32Array, depth: number): void {
    for (let at = 1; at < order.length; at++) {
      const index = order[at]!;
      let hole = at;
      while (hole > 0 && this.#compare(order[hole - 1]!, index, depth) > 0) {
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
