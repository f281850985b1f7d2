import type { Disk } from "../../platform/file/disk.ts";
import type { CheckpointFiles } from "./checkpoint_files.ts";
import type { Expected, LogMark, MarkedSegment } from "./log_mark.ts";
import type { LogMarks, MarkFacts } from "./log_marks.ts";
import type { ShardPlace } from "./shard_place.ts";
import { queueFault } from "../fault.ts";
import type { Location } from "../index/message_index.ts";
import { encodeRecord, RECORD } from "./record.ts";
import { Segment, segmentName } from "./segment.ts";
import type { SegmentMeta } from "./segment_meta.ts";

/** What the log needs from the world. */
export interface SegmentLogOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly random: () => number;
  readonly segmentSize: number;
  readonly preallocate: number;
  /** Unit in which headers and marks are laid out, so that no write of a record touches them. */
  readonly block: number;
  readonly marks: LogMarks;
  readonly checkpoints: CheckpointFiles;
  /** Where the shard is; undefined for a reader. */
  readonly place: () => ShardPlace | undefined;
  /** Messages in the queue; undefined as long as that is not known. */
  readonly living: () => number | undefined;
}

/** A header names at most so many of the segments before it. */
const MOST_BEFORE = 500;

/**
 * The segments of a shard in order. They go strictly from the oldest on, each unlinked durably before the next: so a message's
 * record always goes before the record that finishes it, and nothing can come back.
 */
export class SegmentLog {
  readonly #options: SegmentLogOptions;
  readonly #segments: Segment[] = [];
  readonly #byNumber = new Map<number, Segment>();
  /** Those that were there when the log was opened. */
  #found: readonly Segment[] = [];
  /** What earlier marks and headers say of them, until it is sure that what is counted in them is durable. */
  readonly #said = new Map<number, MarkedSegment>();
  /** Up to where they are durable for sure. */
  readonly #vouched = new Map<number, number>();
  #loaded = false;
  #active: Segment | undefined;
  #nextNumber = 1;
  #headerVoids: readonly (readonly [number: number, from: number])[] = [];
  #reclaiming: Promise<void> | undefined;
  /** A segment was unlinked and the directory not synced since. */
  #unlinked = false;
  #voids: (readonly [number: number, from: number])[] = [];
  /** Segments among them of which what was refused has been cut off for sure. */
  readonly #cut = new Set<Segment>();
  /** Segments below this number are finished, and a durable mark says so: they may go. */
  #finishedBelow = 0;
  /** Number of a segment that is being made. */
  #creating: number | undefined;
  /** The same, once it is there to stay: every mark from then on knows of it. */
  #entering: Segment | undefined;
  /** The last mark waits for a sync. */
  #unsettled = false;

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

  #facts(clean = false): MarkFacts {
    const segments = this.#entering === undefined ? this.#segments : [...this.#segments, this.#entering];
    return {
      first: this.#finishedBelow,
      newest: this.#marked(segments.at(-1)),
      before: this.#marked(segments.at(-2)),
      living: this.#options.living(),
      clean,
    };
  }

  /** How far a segment is good: as was counted in it, or was said of it before, and nothing where that is not known. */
  #marked(segment: Segment | undefined): MarkedSegment {
    if (segment === undefined) return { number: 0, end: 0, messages: 0 };
    const { number, end, messages } = segment;
    return this.#said.get(number) ?? { number, end, messages };
  }

  /** Says how far the log is good now. Costs no sync: the next one covers it. */
  mark(): void {
    this.#options.marks.leave(this.#facts(), this.#active);
    this.#unsettled = true;
  }

  /** The same in the file beside the log, which survives the segment. */
  note(): void {
    this.#options.marks.note(this.#facts());
  }

  /** The same, durably. Rejects when the disk fails. */
  async settle(): Promise<void> {
    await this.#options.marks.settle(this.#facts());
    this.#unsettled = false;
  }

  /** Makes the last mark durable, if there is one that no sync has covered since. */
  async settleLast(): Promise<void> {
    if (this.#unsettled) await this.settle();
  }

  /** The last mark of a clean stop, when nothing is written any more. Rejects when the disk fails. */
  async finish(): Promise<void> {
    await this.#options.marks.finish(this.#facts(true), this.#active);
  }

  /** Takes over what an earlier mark says: segments below its first one are finished. */
  follow(mark: LogMark): void {
    this.#options.marks.follow(mark);
    this.#finishedBelow = Math.max(this.#finishedBelow, mark.first);
    this.skip(Math.max(mark.newest.number, mark.first - 1));
  }

  /** Enters the segments that are there, older ones first, and what is known of them before they are loaded. */
  found(segments: readonly Segment[], known: ReadonlyMap<number, Expected>): void {
    this.#found = segments;
    for (const segment of segments) {
      this.#adopt(segment);
      const { number } = segment;
      const { end = 0, messages } = known.get(number) ?? {};
      this.#vouched.set(number, end);
      this.#said.set(
        number,
        messages === undefined ? { number, end: 0, messages: 0 } : { number, end, messages },
      );
    }
  }

  /** All of them are loaded: it is known what lives in them, and where nothing does they may go. */
  loaded(): void {
    this.#loaded = true;
  }

  #adopt(segment: Segment): void {
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
   * Makes durable what replay found, as far as processes that were killed may have left it in the system's memory only: group commits
   * that no mark or header vouches for, headers behind the last one, and which segments there are. Before that nothing may be destroyed
   * because of it.
   */
  async confirm(): Promise<void> {
    let isOlder = false;
    for (const segment of this.#found.toReversed()) {
      const { number, end, lastBatch } = segment;
      const isSure = isOlder && end <= this.#vouched.get(number)!;
      if (this.#byNumber.has(number) && !isSure) await segment.writeLastBatchAgain();
      // No group commit goes into a segment whose header, with all that it says of those before, is not durable.
      isOlder ||= lastBatch.number > 0;
    }
    await this.#options.disk.syncDirectory(this.#options.directory);
    this.#said.clear();
    this.#vouched.clear();
    this.#found = [];
  }

  /** Throws when a segment is not where the next start will look for it. */
  confirmPlace({ path, identity }: Segment): void {
    this.#options.place()?.confirm(path, identity);
  }

  /** The segment to write to: the active one, or a new one whose directory entry and header are durable. */
  async writable(): Promise<Segment> {
    if (this.#active !== undefined && this.#active.end < this.#options.segmentSize) return this.#active;
    // Its last mark, which no group commit of its own would cover; what headers say of it may be damaged later.
    await this.#active?.sync().catch(() => {});
    this.#seal();
    const segment = await this.#create();
    // Not before: on a full disk the segment comes first.
    this.#writeCheckpoints();
    return segment;
  }

  /** Nothing more is written to the active segment. */
  seal(): void {
    this.#seal();
    this.#writeCheckpoints();
  }

  #seal(): void {
    if (this.#active !== undefined) trim(this.#active);
    this.#active = undefined;
  }

  #writeCheckpoints(): void {
    for (const segment of this.#segments) {
      const { draft } = segment;
      if (segment === this.#active || draft === undefined) continue;
      segment.draft = undefined;
      void this.#options.checkpoints.write(segment, draft);
    }
  }

  /** After a failed sync: whatever the disk kept behind the durable end must never count. */
  async abandon(segment: Segment): Promise<void> {
    this.#voids.push([segment.number, segment.end]);
    this.#seal();
    if (segment.end === segment.start) await this.#forget(segment);
  }

  /**
   * Drops a segment that never held a record, so that a failing disk does not leave a file for every attempt. One that cannot
   * be unlinked goes in its turn: until then the header that makes it void must stay, and the mark that knows of it.
   */
  async #forget(segment: Segment): Promise<void> {
    this.#segments.pop();
    const gone = await this.settle().then(() => discard(this.#options.disk, segment.path), () => false);
    if (!gone) return void this.#segments.push(segment);
    this.#voids.unshift(...this.#headerVoids);
    this.#byNumber.delete(segment.number);
    segment.retire();
  }

  async #create(): Promise<Segment> {
    const { disk, directory, random, preallocate } = this.#options;
    const lost = this.#options.place()?.trouble();
    if (lost !== undefined) throw lost;
    this.#creating = this.#nextNumber++;
    const at = { number: this.#creating, nonce: random() >>> 0 };
    const path = `${directory}/${segmentName(at.number, at.nonce)}`;
    const segment = new Segment(disk.create(path), { ...at, path }, preallocate);
    try {
      await this.#writeHeader(segment);
      await disk.syncDirectory(directory);
      this.#entering = segment;
      await this.settle();
    } catch (error) {
      segment.retire();
      discard(disk, path);
      throw error;
    } finally {
      this.#creating = this.#entering = undefined;
    }
    // Not before: what is not active yet and holds nothing looks finished.
    segment.draft = this.#options.checkpoints.begin();
    this.#adopt(segment);
    this.#active = segment;
    this.#headerVoids = this.#voids;
    this.#voids = [];
    this.#cut.clear();
    return segment;
  }

  async #writeHeader(segment: Segment): Promise<void> {
    const { block } = this.#options;
    const before = this.#segments.filter((each) => this.#marked(each).end > each.start).slice(-MOST_BEFORE)
      .map((each) => this.#marked(each))
      .map(({ number, end, messages }) => [number, end, messages] as const);
    const header = (offset: number) => {
      const meta: SegmentMeta = { before, voids: this.#voids, marks: [offset, block] };
      return encodeRecord({ type: RECORD.segment, meta: JSON.stringify(meta) }, {
        nonce: segment.nonce,
        batch: 0,
      });
    };
    // Digits of the offset itself included: nearly always one block.
    const offset = Math.ceil((header(block).length + 8) / block) * block;
    const bytes = Buffer.alloc(offset + block);
    bytes.set(header(offset));
    segment.write([bytes]);
    await segment.sync();
    segment.markAt(offset, block);
    segment.end = segment.start;
  }

  /** Unlinks the oldest segments in which nothing lives, one after the other; none before it is known what does. Rejects when one has to stay. */
  reclaim(): Promise<void> {
    if (!this.#loaded) return Promise.resolve();
    return this.#reclaiming ??= this.#reclaim().finally(() => this.#reclaiming = undefined);
  }

  async #reclaim(): Promise<void> {
    const { disk } = this.#options;
    for (;;) {
      await this.#syncUnlinked();
      if (!this.#isFinished(this.#segments[0])) return;
      await this.#confirmFound();
      await this.#markFinished().catch(() => {}); // on a full disk space comes first
      await this.#cutRefused();
      const oldest = this.#segments[0]!;
      if (!this.#isFinished(oldest)) return;
      disk.unlink(oldest.path);
      this.#options.checkpoints.drop(oldest);
      this.#unlinked = true;
      this.#segments.shift();
      this.#byNumber.delete(oldest.number);
      oldest.retire();
    }
  }

  /**
   * Makes durable what replay found, if that could not be done before: what finished the messages of a segment may be in the system's
   * memory only, and copies of them elsewhere. On a full disk space comes first. Rejects when the disk fails.
   */
  async #confirmFound(): Promise<void> {
    if (this.#found.length === 0) return;
    try {
      await this.confirm();
    } catch (error) {
      if (!queueFault("write to the queue", error).full) throw error;
    }
  }

  /**
   * Sees to it that nothing that was refused can come back, where no header says yet that it is void; rejects when that is not sure. What
   * was refused may be copies of messages of the segment that is to go: they would come back without all that it says of them.
   */
  async #cutRefused(): Promise<void> {
    for (const [number] of this.#voids) {
      const segment = this.#byNumber.get(number);
      if (segment === undefined || this.#cut.has(segment)) continue;
      segment.cut();
      await segment.sync();
      this.#cut.add(segment);
    }
  }

  #isFinished(segment: Segment | undefined): boolean {
    return segment !== undefined && segment !== this.#active && segment.live <= 0;
  }

  /** Says durably which segments are finished, before the first of them goes: from then on they may be missing. */
  async #markFinished(): Promise<void> {
    if (this.#segments[0]!.number < this.#finishedBelow) return;
    const stays = this.#segments.find((segment) => !this.#isFinished(segment));
    this.#finishedBelow = stays?.number ?? this.#creating ?? this.#nextNumber;
    await this.settle();
  }

  /** The last unlink is durable before the next is done, also when its first sync failed. */
  async #syncUnlinked(): Promise<void> {
    if (!this.#unlinked) return;
    const { disk, directory } = this.#options;
    await disk.syncDirectory(directory);
    this.#unlinked = false;
  }

  close(): void {
    this.#seal();
    for (const segment of this.#segments) segment.retire();
  }
}

/** Gives back what is behind the last record of a segment. */
export function trim(segment: Segment): void {
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
