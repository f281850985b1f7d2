import type { Disk } from "../../platform/file/disk.ts";
import type { Location } from "../index/message_index.ts";
import { encodeRecord, RECORD } from "./record.ts";
import { Segment, segmentName } from "./segment.ts";

/** What a segment's first record says about those before it. */
export interface SegmentMeta {
  /** Number and durable length of the one before, to notice a file that was cut. */
  readonly previous?: readonly [number: number, end: number];
  /** Places from which on an earlier segment holds only what was refused: a failed write or sync. */
  readonly voids: readonly (readonly [number: number, from: number])[];
}

/** What the log needs from the world. */
export interface SegmentLogOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly random: () => number;
  readonly segmentSize: number;
  readonly preallocate: number;
}

/**
 * The segments of a shard in order. They go strictly from the oldest on, each unlinked durably before the next: so a message's
 * record always goes before the record that finishes it, and nothing can come back.
 */
export class SegmentLog {
  readonly #options: SegmentLogOptions;
  readonly #segments: Segment[] = [];
  readonly #byNumber = new Map<number, Segment>();
  #active: Segment | undefined;
  #nextNumber = 1;
  #headerEnd = 0;
  #headerVoids: readonly (readonly [number: number, from: number])[] = [];
  #reclaiming: Promise<void> | undefined;
  /** A segment was unlinked and the directory not synced since. */
  #unlinked = false;
  #voids: (readonly [number: number, from: number])[] = [];

  constructor(options: SegmentLogOptions) {
    this.#options = options;
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get active(): Segment | undefined {
    return this.#active;
  }

  /** Bytes of all records, alive or not. */
  get bytes(): number {
    let sum = 0;
    for (const segment of this.#segments) sum += segment.end;
    return sum;
  }

  /** Bytes of the records that live. */
  get live(): number {
    let sum = 0;
    for (const segment of this.#segments) sum += segment.live;
    return sum;
  }

  get(number: number): Segment {
    const segment = this.#byNumber.get(number);
    if (segment === undefined) throw new Error(`Segment ${number} is gone`);
    return segment;
  }

  /** Enters a segment found by replay, older ones first. */
  adopt(segment: Segment): void {
    this.#segments.push(segment);
    this.#byNumber.set(segment.number, segment);
    this.#nextNumber = Math.max(this.#nextNumber, segment.number + 1);
  }

  /** Keeps a number from being used again. */
  skip(number: number): void {
    this.#nextNumber = Math.max(this.#nextNumber, number + 1);
  }

  claim(at: Location): void {
    this.get(at.segment).live += at.length;
  }

  release(segment: number, length: number): void {
    const found = this.#byNumber.get(segment);
    if (found !== undefined) found.live -= length;
  }

  /**
   * Makes durable what replay found, as far as a process that was killed may have left it in the system's memory only: the
   * last group commit, headers behind it, and which segments there are. Before that nothing may be destroyed because of it.
   */
  async confirm(): Promise<void> {
    for (const segment of this.#segments.toReversed()) {
      await segment.writeLastBatchAgain();
      // No group commit goes into a segment whose header, with all that it says of those before, is not durable.
      if (segment.lastBatch.number > 0) break;
    }
    await this.#options.disk.syncDirectory(this.#options.directory);
  }

  /** The segment to write to: the active one, or a new one whose directory entry and header are durable. */
  async writable(): Promise<Segment> {
    if (this.#active !== undefined && this.#active.end < this.#options.segmentSize) return this.#active;
    this.seal();
    return this.#active = await this.#create();
  }

  /** Nothing more is written to the active segment. */
  seal(): void {
    if (this.#active !== undefined) trim(this.#active);
    this.#active = undefined;
  }

  /** After a failed sync: whatever the disk kept behind the durable end must never count. */
  abandon(segment: Segment): void {
    this.#voids.push([segment.number, segment.end]);
    this.seal();
    if (segment.end === this.#headerEnd) this.#forget(segment);
  }

  /**
   * Drops a segment that never held a record, so that a failing disk does not leave a file for every attempt. One that cannot
   * be unlinked goes in its turn: until then the header that makes it void must stay.
   */
  #forget(segment: Segment): void {
    if (!discard(this.#options.disk, segment.path)) return;
    this.#voids.unshift(...this.#headerVoids);
    this.#segments.pop();
    this.#byNumber.delete(segment.number);
    segment.retire();
  }

  async #create(): Promise<Segment> {
    const { disk, directory, random, preallocate } = this.#options;
    const at = { number: this.#nextNumber++, nonce: random() >>> 0 };
    const path = `${directory}/${segmentName(at.number, at.nonce)}`;
    const segment = new Segment(disk.create(path), { ...at, path }, preallocate);
    try {
      await this.#writeHeader(segment);
      await disk.syncDirectory(directory);
    } catch (error) {
      segment.retire();
      discard(disk, path);
      throw error;
    }
    this.#headerEnd = segment.end;
    this.#headerVoids = this.#voids;
    this.#voids = [];
    this.adopt(segment);
    return segment;
  }

  async #writeHeader(segment: Segment): Promise<void> {
    const before = this.#segments.at(-1);
    const meta: SegmentMeta = {
      previous: before === undefined ? undefined : [before.number, before.end],
      voids: this.#voids,
    };
    const header = encodeRecord({ type: RECORD.segment, meta: JSON.stringify(meta) }, {
      nonce: segment.nonce,
      batch: 0,
    });
    segment.write([header]);
    await segment.sync();
    segment.end = header.length;
  }

  /** Unlinks the oldest segments in which nothing lives, one after the other. */
  reclaim(): Promise<void> {
    return this.#reclaiming ??= this.#reclaim().finally(() => this.#reclaiming = undefined);
  }

  async #reclaim(): Promise<void> {
    const { disk } = this.#options;
    for (;;) {
      await this.#syncUnlinked();
      const oldest = this.#segments[0];
      if (oldest === undefined || oldest === this.#active || oldest.live > 0) return;
      disk.unlink(oldest.path);
      this.#unlinked = true;
      this.#segments.shift();
      this.#byNumber.delete(oldest.number);
      oldest.retire();
    }
  }

  /** The last unlink is durable before the next is done, also when its first sync failed. */
  async #syncUnlinked(): Promise<void> {
    if (!this.#unlinked) return;
    const { disk, directory } = this.#options;
    await disk.syncDirectory(directory);
    this.#unlinked = false;
  }

  close(): void {
    this.seal();
    for (const segment of this.#segments) segment.retire();
  }
}

function trim(segment: Segment): void {
  try {
    segment.cut();
  } catch { /* only reserved space: the next replay cuts it */ }
}

/** Unlinks a segment without records, which replay would ignore; false when that fails. */
function discard(disk: Disk, path: string): boolean {
  try {
    disk.unlink(path);
    return true;
  } catch {
    return false;
  }
}
