import { RandomAccessFile, sameFile, systemWhy } from "../platform/random_access_file.ts";
import { TableFault } from "./record_file.ts";

/** Most bytes of pages kept per open file. */
const CACHE_BYTES = 16 << 20;

/**
 * Pages of a file, read one by one and kept in two generations: when the young one is full it becomes the old one, and
 * what is asked for again moves back. Each page is checked once, when it comes from disk.
 */
export class PageCache {
  readonly #file: RandomAccessFile;
  readonly #pageSize: number;
  readonly #check: (page: Buffer, number: number) => void;
  readonly #most: number;
  #young = new Map<number, Buffer>();
  #old = new Map<number, Buffer>();
  readonly #free: Buffer[] = [];
  diskReads = 0;

  constructor(file: RandomAccessFile, pageSize: number, check: (page: Buffer, number: number) => void) {
    this.#file = file;
    this.#pageSize = pageSize;
    this.#check = check;
    this.#most = Math.max(8, CACHE_BYTES / pageSize >> 1);
  }

  /** The page of that number; its bytes stay valid while fewer pages are read than half the cache holds. */
  page(number: number): Buffer {
    return this.#young.get(number) ?? this.#fetch(number);
  }

  #fetch(number: number): Buffer {
    const kept = this.#old.get(number);
    if (kept !== undefined) this.#old.delete(number);
    const page = kept ?? this.#read(number);
    if (this.#young.size >= this.#most) this.#turn();
    this.#young.set(number, page);
    return page;
  }

  /** The young generation becomes the old one; the buffers of the former old one are used again. */
  #turn(): void {
    for (const page of this.#old.values()) this.#free.push(page);
    this.#old = this.#young;
    this.#young = new Map();
  }

  #read(number: number): Buffer {
    const page = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#pageSize);
    readFully(this.#file, page, number * this.#pageSize);
    this.diskReads++;
    this.#check(page, number);
    return page;
  }
}

/** Reads exactly that many bytes; a file that ends before is damaged. */
export function readFully(file: RandomAccessFile, into: Uint8Array, position: number): void {
  let got: number;
  try {
    got = file.read(into, position);
  } catch (error) {
    throw new TableFault(`read ${file.path}: ${systemWhy(error)}`);
  }
  if (got < into.length) throw new TableFault(`${file.path} ends at byte ${position + got}: truncated`);
}

/** False when the open file has changed since it was opened or lost its name. */
export function unchangedSinceOpened(file: RandomAccessFile): boolean {
  const now = file.now();
  return now.links > 0 && sameFile(now, file.opened);
}
