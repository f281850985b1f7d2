import type { Disk, DiskFile } from "../../platform/file/disk.ts";
import type { CheckpointDraft } from "./checkpoint.ts";
import { type LogMark, MarkBlock } from "./log_mark.ts";
import { encodeRecord, HEADER_LENGTH, RECORD } from "./record.ts";

/** Name of a segment's file: its number in the log and the random number that marks its records. */
export function segmentName(number: number, nonce: number): string {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  return `${hex(number)}-${hex(nonce)}.seg`;
}

/** Number and mark from a file name; undefined for other files. */
function parseSegmentName(
  name: string,
): { readonly number: number; readonly nonce: number } | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{8})\.seg$/.exec(name);
  if (match === null) return undefined;
  return { number: Number.parseInt(match[1]!, 16), nonce: Number.parseInt(match[2]!, 16) };
}

/** Zeros, written as often as is needed. */
const ZEROS = Buffer.alloc(65_536);

function zeros(length: number): Buffer[] {
  const count = Math.ceil(length / ZEROS.length);
  return Array.from({ length: count }, (_, at) => ZEROS.subarray(0, length - at * ZEROS.length));
}

/** An append-only file of records. Counts what lives in it, and stays open as long as somebody reads. */
export class Segment {
  readonly number: number;
  readonly nonce: number;
  readonly path: string;
  /** Bytes of records that are durable. */
  end = 0;
  /** Bytes of records that still mean something. */
  live = 0;
  /** Message records in the durable bytes. */
  messages = 0;
  /** A mark of it has rotted: how far it was good is not known, and what is no record is taken for damage. */
  rottenMark = false;
  /** Where the records begin, behind the header and the block of marks. */
  start = 0;
  /** Where the last group commit that replay found begins, and its number. */
  lastBatch = { number: 0, offset: 0 };
  /** Stretches that replay found in that group commit without a record, as a power failure leaves them. */
  holes: { readonly offset: number; readonly length: number }[] = [];
  /** What its checkpoint is to say, until that is written. */
  draft: CheckpointDraft | undefined;
  readonly #file: DiskFile;
  readonly #step: number;
  #marks: MarkBlock | undefined;
  #identity: string | undefined;
  #reserved = 0;
  /** Up to here there are zeros that were written, not only reserved. */
  #prepared = 0;
  /** The end at the last look. */
  #seen = 0;
  #readers = 0;
  #retired = false;

  /** Space is reserved in steps of `step` bytes; 0 = never. */
  constructor(
    file: DiskFile,
    at: { readonly number: number; readonly nonce: number; readonly path: string },
    step = 0,
  ) {
    this.#file = file;
    this.#step = step;
    this.number = at.number;
    this.nonce = at.nonce;
    this.path = at.path;
  }

  static open(disk: Disk, directory: string, name: string, mode: "read" | "write"): Segment | undefined {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) return undefined;
    const path = `${directory}/${name}`;
    return new Segment(disk.open(path, mode), { ...parsed, path });
  }

  /** Which file it is. */
  get identity(): string {
    return this.#identity ??= this.#file.identity();
  }

  get file(): DiskFile {
    return this.#file;
  }

  /** Where the block of marks is: right before the records. */
  markAt(offset: number, block: number): void {
    this.#marks = new MarkBlock(this.#file, offset, block);
    this.start = offset + block;
  }

  /** Throws when the disk does not take it; the next sync covers it. */
  writeMark(mark: LogMark): void {
    this.#marks?.write(mark);
  }

  /**
   * Reserves space for so many more bytes, and for some outcomes behind them: on a full disk it must still be possible to
   * write down what was delivered. Throws when there is none.
   */
  makeRoom(bytes: number): void {
    const needed = this.end + bytes + this.#step / 8;
    if (this.#step === 0 || needed <= this.#reserved) return;
    try {
      this.#reserve(Math.ceil(needed / this.#step) * this.#step);
    } catch {
      this.#reserve(Math.ceil(needed));
    }
  }

  #reserve(end: number): void {
    this.#reserved = this.#file.preallocate(this.#reserved, end - this.#reserved) ? end : Infinity;
  }

  /**
   * Writes zeros over the reserved space that comes next, so that syncs of what replaces them are quick: the first write of a
   * reserved block changes the file's metadata, and its sync has to wait for the file system's journal. Only while little is written:
   * everything is written twice. Nothing may be on its way to this segment meanwhile. True when there is something to sync; a disk
   * without room for it is left to the next batch.
   */
  prepare(): boolean {
    const [ahead, written] = [this.#step / 4, this.end - this.#seen];
    this.#seen = this.end;
    if (ahead === 0 || written > ahead || this.#prepared - this.end >= ahead / 2) return false;
    try {
      this.makeRoom(ahead);
      if (this.#reserved === Infinity) return false;
      const [from, to] = [Math.max(this.end, this.#prepared), this.end + ahead];
      this.#file.write(zeros(to - from), from);
      this.#prepared = to;
      return true;
    } catch {
      return false;
    }
  }

  /** Puts records behind the durable end; they count only after `sync`. */
  write(buffers: readonly Uint8Array[]): void {
    this.#file.write(buffers, this.end);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  /** The same on the spot. */
  syncNow(): void {
    this.#file.syncNow();
  }

  /** Writes what replay found of the last group commit once more and syncs it: its first sync may have failed or never been. */
  async writeLastBatchAgain(): Promise<void> {
    const offset = Math.min(this.lastBatch.offset, ...this.holes.map((hole) => hole.offset));
    const bytes = await this.read(offset, this.end - offset);
    for (const hole of this.holes) bytes.set(this.#filler(hole.length), hole.offset - offset);
    this.#file.write([bytes], offset);
    await this.sync();
  }

  #filler(length: number): Buffer {
    const meta = Buffer.alloc(length - HEADER_LENGTH);
    return encodeRecord({ type: RECORD.filler, meta }, { nonce: this.nonce, batch: this.lastBatch.number });
  }

  /** Drops what is behind the durable end, reserved space too; it is sure to be gone after the next sync. */
  cut(): void {
    this.#file.truncate(this.end);
    this.#reserved = this.#prepared = this.end;
  }

  /** The bytes at a place, in the beginning of `room` where that is given; rejects when they are not all there. */
  async read(offset: number, length: number, room?: Buffer): Promise<Buffer> {
    const into = room?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
    this.#readers++;
    try {
      const got = await this.#file.read(into, offset);
      if (got < length) throw new Error(`${this.path} ends at byte ${offset + got}`);
      return into;
    } finally {
      this.#readers--;
      this.#closeWhenUnused();
    }
  }

  /** Closes the file once nobody reads it any more. */
  retire(): void {
    this.#retired = true;
    this.#closeWhenUnused();
  }

  #closeWhenUnused(): void {
    if (this.#retired && this.#readers === 0) this.#file.close();
  }
}
