/** What stands before a record: the lengths of key and value and the key's hash, four bytes each. */
export const HEAD = 12;

/** Bytes of a record with its head; records begin at multiples of four. */
export function sizeOf(keyLength: number, valueLength: number): number {
  return (HEAD + keyLength + valueLength + 3) & ~3;
}

/** The size of the record at `at`. */
export function sizeAt(words: Int32Array, at: number): number {
  return sizeOf(words[at >> 2]!, words[(at >> 2) + 1]!);
}

/** So many numbers are copied in a loop, which costs less than to call a native copy. */
const FEW = 32;

/** Records in memory one behind the other: head, key, value. */
export class RecordBlock {
  bytes: Uint8Array<ArrayBuffer>;
  /** The same as numbers of four bytes. */
  words: Int32Array;
  /** Bytes that hold records. */
  filled = 0;
  /** Where each record starts; only the first `length` count. */
  places: Uint32Array;
  length = 0;

  constructor(memory: ArrayBuffer) {
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.places = new Uint32Array(Math.max(16, memory.byteLength >> 6));
  }

  /** Adds a copy of the record at `at`, its head and all, which has so many bytes. */
  add(from: Int32Array, at: number, size: number): void {
    if (this.filled + size > this.bytes.length) this.#grow(size);
    const word = at >> 2;
    const count = size >> 2;
    const to = this.filled >> 2;
    if (count > FEW) this.words.set(from.subarray(word, word + count), to);
    else for (let i = 0; i < count; i++) this.words[to + i] = from[word + i]!;
    this.note(size);
  }

  /** Room for bytes behind the records. */
  room(size: number): Uint8Array {
    if (this.filled + size > this.bytes.length) this.#grow(size);
    return this.bytes.subarray(this.filled, this.filled + size);
  }

  /** Counts the records that stand in the next `size` bytes behind the others. */
  noteAll(size: number): void {
    for (const end = this.filled + size; this.filled < end;) {
      this.note(sizeAt(this.words, this.filled));
    }
  }

  /** Counts the record that stands behind the others. */
  note(size: number): void {
    if (this.length === this.places.length) {
      const places = new Uint32Array(2 * this.length);
      places.set(this.places);
      this.places = places;
    }
    this.places[this.length++] = this.filled;
    this.filled += size;
  }

  clear(): void {
    this.filled = 0;
    this.length = 0;
  }

  #grow(size: number): void {
    const bytes = new Uint8Array(Math.max(2 * this.bytes.length, this.filled + size));
    bytes.set(this.bytes.subarray(0, this.filled));
    this.bytes = bytes;
    this.words = new Int32Array(bytes.buffer);
  }
}
