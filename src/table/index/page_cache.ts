import { RandomAccessFile, sameFile } from "../../platform/file/random_access_file.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { TableFault } from "./record_file.ts";

/** Most bytes of pages kept of one file. */
const OF_ONE_FILE = 16 << 20;
/** What a file gets when there is nothing left. */
const LEAST = 256 << 10;

/** What all open files together may keep in memory, and what each of them gets of it. */
export class PageBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  take(wanted: number): number {
    const given = Math.max(LEAST, Math.min(wanted, OF_ONE_FILE, this.#left));
    this.#left -= given;
    return given;
  }

  giveBack(bytes: number): void {
    this.#left += bytes;
  }
}

/** Memory is the process's, and so is this: most bytes of pages kept, beside the least that each file gets. */
const OF_ALL_FILES = new PageBudget(64 << 20);

/** The highest power of two that is not above `most`. */
function powerOfTwo(most: number): number {
  return 2 ** Math.floor(Math.log2(most));
}

/**
 * Pages of a file, read one by one. Each has one place where it can be kept, by its number, and takes the place of the page
 * that was there: with more pages than places a lookup of a random key costs a read anyhow, and this costs nothing beside it.
 */
export class PageCache {
  readonly #file: RandomAccessFile;
  readonly #pageSize: number;
  readonly #check: (page: Buffer, number: number) => void;
  readonly #mask: number;
  readonly #budget: PageBudget;
  readonly #granted: number;
  /** The page that each place holds, -1 for none. */
  readonly #numbers: Int32Array;
  readonly #pages: (Buffer | undefined)[];
  /** Whether there is a place for each page of the file. */
  readonly holdsAll: boolean;
  diskReads = 0;

  constructor(
    file: RandomAccessFile,
    pageSize: number,
    check: (page: Buffer, number: number) => void,
    budget = OF_ALL_FILES,
  ) {
    this.#budget = budget;
    this.#file = file;
    this.#pageSize = pageSize;
    this.#check = check;
    const pages = Math.max(1, Math.ceil(file.size / pageSize));
    const wanted = 2 ** Math.ceil(Math.log2(pages)) * pageSize;
    this.#granted = budget.take(wanted);
    const places = powerOfTwo(Math.max(1, Math.min(this.#granted, wanted) / pageSize));
    this.#mask = places - 1;
    this.#numbers = new Int32Array(places).fill(-1);
    this.#pages = Array.from({ length: places }, () => undefined);
    this.holdsAll = places >= pages;
  }

  /** The page of that number; its bytes stay valid until the next call. */
  page(number: number): Buffer {
    const place = number & this.#mask;
    return this.#numbers[place] === number ? this.#pages[place]! : this.#fetch(number, place);
  }

  /** The page if it is in memory; the same holds for its bytes. */
  kept(number: number): Buffer | undefined {
    const place = number & this.#mask;
    return this.#numbers[place] === number ? this.#pages[place] : undefined;
  }

  #fetch(number: number, place: number): Buffer {
    const page = this.#pages[place] ??= Buffer.allocUnsafeSlow(this.#pageSize);
    this.#numbers[place] = -1;
    this.read(number, page);
    this.#numbers[place] = number;
    return page;
  }

  /** Reads a page to a place of the caller's, past the memory. The file's last page may be shorter than the others. */
  read(number: number, into: Buffer): void {
    const position = number * this.#pageSize;
    const there = this.#file.size - position;
    readFully(this.#file, into, position, Math.max(0, Math.min(there, this.#pageSize)));
    this.diskReads++;
    this.#check(into, number);
  }

  /** Gives its share of the memory back. */
  close(): void {
    this.#budget.giveBack(this.#granted);
    this.#numbers.fill(-1);
    this.#pages.fill(undefined);
  }
}

/** Reads exactly `length` bytes, as many as there is room for when not told; a file that ends before is damaged. */
export function readFully(
  file: RandomAccessFile,
  into: Uint8Array,
  position: number,
  length = into.length,
): void {
  let got: number;
  try {
    got = file.read(into, position, length);
  } catch (error) {
    throw new TableFault(`read ${file.path}: ${systemErrorText(error)}`);
  }
  if (got < length) throw new TableFault(`${file.path} ends at byte ${position + got}: truncated`);
}

/** False when the open file has changed since it was opened or lost its name. */
export function unchangedSinceOpened(file: RandomAccessFile): boolean {
  const now = file.now();
  return now.links > 0 && sameFile(now, file.opened);
}
