import type { Disk, DiskFile } from "../../platform/file/disk.ts";
import { crc32 } from "../../platform/checksum.ts";
import { queueFault } from "../fault.ts";
import type { QueueFault } from "../store.ts";

const READ_SIZE = 64 * 1024;

/** Lets any number of callers share the syncs of one directory: each is answered by a sync that began after it asked. */
export class SharedSync {
  readonly #sync: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  request(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    return this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.#start();
    });
  }

  #start(): Promise<void> {
    const running = this.#sync().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    return this.#running = running;
  }
}

/** Content on its way into a file of its own. Nothing counts before `finish` has resolved. */
export class SpoolWriter {
  readonly #file: DiskFile;
  readonly #what: string;
  #waiting: Uint8Array[] = [];
  #backlog = 0;
  #position = 0;
  #pump: Promise<void> | undefined;
  #fault: QueueFault | undefined;
  #closed = false;
  readonly path: string;
  /** Which file it is, once it is finished. */
  identity = "";
  /** CRC-32 of all that was written. */
  checksum = 0;

  constructor(disk: Disk, path: string) {
    this.path = path;
    this.#what = `write ${path}`;
    this.#file = disk.create(path);
  }

  /** Resolves when the pieces are in the file: they are their owner's again. */
  async write(...pieces: readonly Uint8Array[]): Promise<void> {
    this.#check();
    for (const piece of pieces) {
      this.#waiting.push(piece);
      this.checksum = crc32(piece, this.checksum);
      this.#backlog += piece.length;
    }
    await (this.#pump ??= this.#run());
    this.#check();
  }

  /** Empties the file; what is written next stands at its start. */
  async restart(): Promise<void> {
    this.#backlog -= this.#waiting.reduce((sum, { length }) => sum + length, 0);
    this.#waiting = [];
    this.checksum = 0;
    await this.#pump;
    this.#check();
    try {
      this.#file.truncate(0);
    } catch (error) {
      throw this.#fault = queueFault(this.#what, error);
    }
    this.#position = 0;
  }

  /** What was written so far, in pieces, each of which counts until the next one is asked for. Nothing is written meanwhile. */
  async *read(): AsyncIterable<Uint8Array> {
    await this.#pump;
    this.#check();
    const into = Buffer.allocUnsafeSlow(Math.min(READ_SIZE, this.#position));
    for (let at = 0; at < this.#position;) {
      const got = await this.#readAt(into.subarray(0, this.#position - at), at);
      at += got;
      yield into.subarray(0, got);
    }
  }

  async #readAt(into: Uint8Array, at: number): Promise<number> {
    try {
      const got = await this.#file.read(into, at);
      if (got === 0) throw new ContentDamage(`${this.path} ends at byte ${at} of ${this.#position}`);
      return got;
    } catch (error) {
      throw queueFault(this.#what.replace("write", "read"), error);
    }
  }

  /** Makes the content durable; the directory entry is the caller's. */
  async finish(): Promise<void> {
    await this.#pump;
    this.#check();
    try {
      await this.#file.sync();
      this.identity = this.#file.identity();
    } catch (error) {
      throw queueFault(this.#what, error);
    } finally {
      this.#close();
    }
  }

  async abort(): Promise<void> {
    this.#waiting = [];
    await this.#pump;
    this.#close();
  }

  #check(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  #close(): void {
    if (!this.#closed) this.#file.close();
    this.#closed = true;
  }

  /** Writes what waits, all of it at a time, until nothing does. Never rejects: the fault is kept for the next call. */
  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const buffers = this.#waiting;
        this.#waiting = [];
        const bytes = this.#backlog;
        await this.#file.writeLater(buffers, this.#position);
        this.#position += bytes;
        this.#backlog -= bytes;
      }
    } catch (error) {
      this.#fault = queueFault(this.#what, error);
      this.#waiting = [];
    }
    this.#pump = undefined;
  }
}

/** A content file is not what was written. */
export class ContentDamage extends Error {
  override readonly name = "ContentDamage";
}

/** What is known of a content file. */
export interface ContentFile {
  readonly path: string;
  readonly size: number;
  /** CRC-32 of the content; undefined for files of earlier versions. */
  readonly checksum: number | undefined;
}

/** A content file's bytes in order, in pieces; the last one comes only when all are right, else ContentDamage. */
export async function* readChunks(
  disk: Disk,
  { path, size, checksum }: ContentFile,
): AsyncIterable<Uint8Array> {
  const file = openContent(disk, path);
  let sum = 0;
  try {
    for (let at = 0; at < size;) {
      const into = Buffer.allocUnsafeSlow(Math.min(READ_SIZE, size - at));
      const got = await file.read(into, at);
      if (got < into.length) throw new ContentDamage(`${path} ends at byte ${at + got} of ${size}`);
      at += got;
      if (checksum !== undefined) sum = crc32(into, sum);
      if (at === size && checksum !== undefined && sum !== checksum) {
        throw new ContentDamage(`${path} is not what was written: its checksum is wrong`);
      }
      yield into;
    }
  } finally {
    file.close();
  }
}

function openContent(disk: Disk, path: string): DiskFile {
  if (!disk.exists(path)) throw new ContentDamage(`${path} is missing`);
  return disk.open(path, "read");
}
