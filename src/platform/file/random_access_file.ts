import fs from "node:fs";
import { dirname } from "node:path";

/** What tells one state of a file from another. Times are milliseconds since 1970. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
  readonly size: number;
  readonly mtime: number;
  /** When content or bookkeeping changed last: it moves even where a tool sets mtime back. */
  readonly ctime: number;
  readonly links: number;
  /** A plain file: no folder, pipe or device. */
  readonly isFile: boolean;
}

/** Tells "there is none" from other failures. */
export function isNotThere(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function identityOf(stat: fs.Stats): FileIdentity {
  return {
    device: stat.dev,
    inode: stat.ino,
    size: stat.size,
    mtime: stat.mtimeMs,
    ctime: stat.ctimeMs,
    links: stat.nlink,
    isFile: stat.isFile(),
  };
}

/** The state of the file of that name now; undefined when it cannot be looked at. */
export function fileIdentity(path: string): FileIdentity | undefined {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : identityOf(stat);
}

/** Tells whether two looks saw the same file in the same state. */
export function sameFile(a: FileIdentity | undefined, b: FileIdentity | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.inode === b.inode && a.device === b.device && a.size === b.size && a.mtime === b.mtime &&
    a.ctime === b.ctime;
}

/** Whether a name stands for a pipe, as `<(command)` and /dev/stdin do in a shell. */
export function isPipe(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false })?.isFIFO() === true;
}

/** The whole content; a folder reads as empty, as it does to Postfix's tools. Throws the system's error. */
export function readWhole(path: string): Buffer {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EISDIR") return Buffer.alloc(0);
    throw error;
  }
}

const EISDIR = 21;

/** The content of a file and whose the file is, by its user id; undefined when that is not known. */
export interface OwnedBytes {
  readonly bytes: Buffer;
  readonly owner: number | undefined;
}

/** The content of a plain file of at most `most` bytes. */
export function readPlain(path: string, most: number): Buffer {
  return readOwned(path, most).bytes;
}

/**
 * The content of a plain file of at most `most` bytes, and whose it is. A pipe or device is refused without waiting for its other end, and a file that grows
 * while it is read ends where it ended at first. Throws the system's error, or says what is wrong.
 */
export function readOwned(path: string, most: number): OwnedBytes {
  const file = new RandomAccessFile(path);
  try {
    const { isFile, size } = file.opened;
    if (!isFile) throw notPlain(path);
    if (size > most) {
      throw new Error(`File too large: ${megabytes(size)} where ${megabytes(most)} are the limit`);
    }
    return { bytes: size === 0 ? unknownSize(file, most) : exactly(file, size), owner: file.owner };
  } finally {
    file.close();
  }
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / (1 << 20))} MB`;

function notPlain(path: string): Error {
  if (!fs.statSync(path).isDirectory()) return new Error("Not a plain file");
  return Object.assign(new Error("Is a directory"), { errno: -EISDIR, code: "EISDIR" });
}

function exactly(file: RandomAccessFile, size: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size);
  return bytes.subarray(0, file.read(bytes, 0));
}

/** Files of the kernel's say that they are empty and are not. */
function unknownSize(file: RandomAccessFile, most: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Math.min(most, 1 << 20));
  return bytes.subarray(0, file.read(bytes, 0));
}

/** A file read at chosen places. Not mapped: a file truncated under a mapping would kill the process. */
export class RandomAccessFile {
  readonly #fd: number;
  readonly path: string;
  readonly opened: FileIdentity;
  /** The user id of who it belongs to. */
  readonly owner: number;

  constructor(path: string) {
    this.path = path;
    this.#fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const stat = fs.fstatSync(this.#fd);
    this.opened = identityOf(stat);
    this.owner = stat.uid;
  }

  get size(): number {
    return this.opened.size;
  }

  get fd(): number {
    return this.#fd;
  }

  /** The state of the open file now; `links` 0 when it has been replaced by another of its name. */
  now(): FileIdentity {
    return identityOf(fs.fstatSync(this.#fd));
  }

  /** Reads up to `length` bytes from `position`, as many as there is room for when not told; fewer at the end of the file. */
  read(into: Uint8Array, position: number, length = into.length): number {
    let got = 0;
    while (got < length) {
      const n = fs.readSync(this.#fd, into, got, length - got, position + got);
      if (n === 0) break;
      got += n;
    }
    return got;
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

/** The block size that the file system of a (future) file prefers. */
export function blockSizeAt(path: string): number {
  for (const name of [path, dirname(path)]) {
    const stat = fs.statSync(name, { throwIfNoEntry: false });
    if (stat !== undefined) return stat.blksize;
  }
  return 4096;
}

/** Random bytes that need not be secret. */
export function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
