import type { ScratchSpace } from "../../../platform/file/scratch_space.ts";
import { compareBytes, TableFault } from "../record_file.ts";
import { HEAD, RecordBlock, sizeAt } from "./record_block.ts";
import type { EachRecord, RecordSet } from "./record_set.ts";
import { RecordSort } from "./sort_records.ts";

/** More runs than that are not merged: they are made longer. */
const MOST_RUNS = 64;

/**
 * All living records in bytewise order of their keys, shorter first. More than memory is for are sorted block by block, and the
 * blocks, each in order in scratch space, are merged.
 */
export function forEachSorted(records: RecordSet, each: EachRecord): void {
  if (records.isAscending) return records.forEach(each);
  const scratch = records.moreScratch();
  try {
    if (scratch === undefined) inMemory(records, each);
    else {
      const runSize = Math.max(records.blockSize, Math.ceil(records.size / MOST_RUNS));
      const memory = records.takeMemory(runSize);
      const runs = writeRuns(records, runSize, memory, scratch);
      records.close();
      merge(runs, memory, scratch, each);
    }
  } finally {
    scratch?.close();
  }
}

function inMemory(records: RecordSet, each: EachRecord): void {
  const block = new RecordBlock(records.takeMemory(records.size));
  records.forEach((_bytes, words, at) => block.add(words, at, sizeAt(words, at)));
  new RecordSort().sort(block);
  const { bytes, words, places } = block;
  for (let i = 0; i < block.length; i++) {
    if (each(bytes, words, places[i]!) === false) return;
  }
}

/** Records in order in scratch space, from one position to another. */
interface Run {
  readonly from: number;
  readonly to: number;
}

function writeRuns(
  records: RecordSet,
  runSize: number,
  memory: ArrayBuffer,
  scratch: ScratchSpace,
): Run[] {
  const runs: Run[] = [];
  const block = new RecordBlock(memory);
  const sorted = new RecordBlock(new ArrayBuffer(1 << 18));
  const sort = new RecordSort();
  let end = 0;
  const write = () => {
    scratch.write(sorted.bytes.subarray(0, sorted.filled), end);
    end += sorted.filled;
    sorted.clear();
  };
  const writeRun = () => {
    const from = end;
    sort.sort(block);
    for (let i = 0; i < block.length; i++) {
      const at = block.places[i]!;
      const size = sizeAt(block.words, at);
      if (sorted.filled > 0 && sorted.filled + size > sorted.bytes.length) write();
      sorted.add(block.words, at, size);
    }
    write();
    runs.push({ from, to: end });
    block.clear();
  };
  records.forEach((_bytes, words, at) => {
    const size = sizeAt(words, at);
    if (block.filled > 0 && block.filled + size > runSize) writeRun();
    block.add(words, at, size);
  });
  if (block.length > 0) writeRun();
  return runs;
}

/** A run that is being read: the record in hand is at `at` of the bytes, and its key ends at `keyEnd`. */
class RunReader {
  bytes: Uint8Array<ArrayBuffer>;
  words: Int32Array;
  at = 0;
  keyEnd = 0;
  size = 0;
  #filled = 0;
  #position: number;
  readonly #to: number;
  readonly #scratch: ScratchSpace;

  constructor({ from, to }: Run, bytes: Uint8Array<ArrayBuffer>, scratch: ScratchSpace) {
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.#position = from;
    this.#to = to;
    this.#scratch = scratch;
  }

  /** Goes on to the next record; false behind the last one. */
  next(): boolean {
    this.at += this.size;
    let held = this.#filled - this.at;
    if (held < HEAD || held < sizeAt(this.words, this.at)) {
      held = this.#fill();
      if (held === 0) return false;
      while (held < sizeAt(this.words, this.at)) {
        this.#grow(sizeAt(this.words, this.at));
        held = this.#fill();
      }
    }
    this.size = sizeAt(this.words, this.at);
    this.keyEnd = this.at + HEAD + this.words[this.at >> 2]!;
    return true;
  }

  /** Moves what is held to the front and reads on behind it; answers how much is held then. */
  #fill(): number {
    const held = this.#filled - this.at;
    this.bytes.copyWithin(0, this.at, this.#filled);
    this.at = 0;
    const length = Math.min(this.bytes.length - held, this.#to - this.#position);
    if (this.#scratch.read(this.bytes.subarray(held), this.#position, length) < length) {
      throw new TableFault("the scratch file has lost records");
    }
    this.#position += length;
    return this.#filled = held + length;
  }

  #grow(size: number): void {
    const bytes = new Uint8Array(size); // a multiple of four, as sizes are
    bytes.set(this.bytes.subarray(0, this.#filled));
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer);
  }
}

/** Bytes of one run in memory. */
const MOST_OF_RUN = 1 << 19;
const LEAST_OF_RUN = 1 << 12;

function merge(runs: readonly Run[], memory: ArrayBuffer, scratch: ScratchSpace, each: EachRecord): void {
  const share = Math.floor(memory.byteLength / runs.length) & ~3;
  const size = Math.min(MOST_OF_RUN, share);
  const readers = runs.map((run, at) => {
    const bytes = size < LEAST_OF_RUN
      ? new Uint8Array(LEAST_OF_RUN)
      : new Uint8Array(memory, at * size, size);
    return new RunReader(run, bytes, scratch);
  }).filter((reader) => reader.next());
  const heap = new Heap(readers);
  for (let reader = heap.first; reader !== undefined; reader = heap.first) {
    if (each(reader.bytes, reader.words, reader.at) === false) return;
    heap.moved(reader.next());
  }
}

/** The readers, the one with the least key first. */
class Heap {
  readonly #readers: RunReader[];

  constructor(readers: RunReader[]) {
    this.#readers = readers;
    for (let at = readers.length >> 1; at >= 0; at--) this.#down(at);
  }

  get first(): RunReader | undefined {
    return this.#readers[0];
  }

  /** The first reader is at another record, or has no more. */
  moved(hasMore: boolean): void {
    if (!hasMore) {
      const last = this.#readers.pop();
      if (this.#readers.length === 0 || last === undefined) return;
      this.#readers[0] = last;
    }
    this.#down(0);
  }

  #down(from: number): void {
    const readers = this.#readers;
    const moving = readers[from];
    if (moving === undefined) return;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= readers.length) break;
      if (child + 1 < readers.length && isBefore(readers[child + 1]!, readers[child]!)) child++;
      if (!isBefore(readers[child]!, moving)) break;
      readers[at] = readers[child]!;
      at = child;
    }
    readers[at] = moving;
  }
}

function isBefore(a: RunReader, b: RunReader): boolean {
  return compareBytes(a.bytes, a.at + HEAD, a.keyEnd, b.bytes, b.at + HEAD, b.keyEnd) < 0;
}
