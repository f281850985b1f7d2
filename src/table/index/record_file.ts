/** An index file is damaged, truncated or of another format: an answer would be a guess. */
export class TableFault extends Error {
  override readonly name = "TableFault";
  /** The file is none of its type at all. */
  readonly isOther: boolean;
  constructor(why: string, options?: ErrorOptions & { readonly isOther?: boolean }) {
    super(why, options);
    this.isOther = options?.isOther ?? false;
  }
}

/** One record as stored, terminating NUL included. */
export interface StoredRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Where a value is: `bytes[start..end)`. One object serves for all answers of a file. */
export interface FoundValue {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/** An index file, open for reading. Its methods throw TableFault when the file is damaged. */
export interface RecordFile {
  /** The value of the key `key[0..length)`; the bytes may be reused by the next call. */
  find(key: Uint8Array, length: number): Uint8Array | undefined;
  /** The same for keys by the million: says where the value is, and makes no object of it. */
  locate?(key: Uint8Array, length: number): FoundValue | undefined;
  /** All records in the file's own order; a record's bytes are good until the next one, whatever is looked up meanwhile. */
  records(): IterableIterator<StoredRecord>;
  /** The user id of who the open file belongs to. */
  readonly owner: number;
  /** How many pages came from disk so far: an answer from memory alone needs no second look. */
  readonly diskReads: number;
  /** Nothing has ever been committed to it: its first writer is at work, or never got to anything. */
  readonly isUnborn?: boolean;
  /** False once the file has changed in place or another has taken its name. */
  unchanged(): boolean;
  close(): void;
}

/** Compares `a[aStart..aEnd)` with `b[bStart..bEnd)` bytewise, shorter first. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aLength = aEnd - aStart;
  const bLength = bEnd - bStart;
  const common = aLength < bLength ? aLength : bLength;
  for (let at = 0; at < common; at++) {
    const difference = a[aStart + at]! - b[bStart + at]!;
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}
