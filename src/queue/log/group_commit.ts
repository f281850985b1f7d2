import type { QueueEvent } from "./file_store_options.ts";
import { queueFault } from "../fault.ts";
import type { Location } from "../index/message_index.ts";
import type { SiteKey } from "../index/site_index.ts";
import { Gathering, type Input } from "./gathering.ts";
import { newEntry } from "./new_entry.ts";
import { encodeRecord, RECORD, RECORD_VERSION, type RecordToWrite } from "./record.ts";
import type { Segment } from "./segment.ts";
import type { SegmentLog } from "./segment_log.ts";
import { QueueFault } from "../store.ts";
import { SyncPace } from "./sync_pace.ts";

/** A record and who wants to know what became of it. Exactly one of the two is called. */
export interface Entry {
  readonly record: RecordToWrite;
  /** The record is durable. */
  placed(at: Location): void;
  /**
   * It is not. `written`: it was on its way to the disk, and while the trouble lasts it may come back with a crash; else it was never
   * written.
   */
  failed(fault: QueueFault, written: boolean): void;
  /** A record that goes right behind this one, in the same batch. */
  readonly follow?: Entry;
  /** Sites of a new message's recipients, where they are known without reading its meta. */
  readonly sites?: () => readonly SiteKey[];
  /** Why it is not to be written any more, asked right before it is. */
  readonly refusal?: () => QueueFault | undefined;
}

/** The two ends of a promise. */
export interface Waiter {
  resolve(): void;
  reject(fault: QueueFault): void;
}

/** The records that one sync makes durable. */
export class Batch {
  readonly segment: Segment;
  readonly buffers: Uint8Array[] = [];
  readonly entries: Entry[] = [];
  bytes = 0;
  messages = 0;
  readonly #number: number;
  readonly #waiters: Waiter[] = [];
  readonly #lengths: number[] = [];

  constructor(segment: Segment, number: number) {
    this.segment = segment;
    this.#number = number;
  }

  add(entry: Entry): void {
    const { content } = entry.record;
    const head = encodeRecord(entry.record, { nonce: this.segment.nonce, batch: this.#number });
    this.buffers.push(head);
    let length = head.length;
    if (content !== undefined && content.length > 0) {
      this.buffers.push(content);
      length += content.length;
    }
    this.bytes += length;
    this.#lengths.push(length);
    this.entries.push(entry);
    if (entry.record.type === RECORD.message) this.messages++;
    if (entry.follow !== undefined) this.add(entry.follow);
  }

  /** Whoever waits for this batch without a record of his own. */
  afterwards(waiters: readonly Waiter[]): void {
    this.#waiters.push(...waiters);
  }

  failed(fault: QueueFault): void {
    for (const entry of this.entries) entry.failed(fault, true);
    for (const waiter of this.#waiters) waiter.reject(fault);
  }

  placed(): void {
    let offset = this.segment.end;
    this.segment.end += this.bytes;
    this.segment.messages += this.messages;
    const { draft } = this.segment;
    if (this.entries.length > 0) draft?.record({ version: RECORD_VERSION, batch: this.#number, offset });
    for (let at = 0; at < this.entries.length; at++) {
      const length = this.#lengths[at]!;
      if (draft !== undefined) draft.add(newEntry(this.entries[at]!, { offset, length }, draft.sites));
      this.entries[at]!.placed({ segment: this.segment.number, offset, length });
      offset += length;
    }
    for (const waiter of this.#waiters) waiter.resolve();
  }
}

/** A message up to so many bytes is synced on the spot when it is alone. */
const SMALL = 65_536;

/** A disk in trouble is tried again at least this often, in milliseconds. */
const LONGEST_PAUSE = 10_000;
/** After this long without trouble the next one counts as a new one. */
const FORGOTTEN_AFTER = 60_000;

/** Keeps some space for outcomes, if there is any. */
function keepRoom(segment: Segment): void {
  try {
    segment.makeRoom(0);
  } catch { /* outcomes are written all the same, if they find room */ }
}

/** Where records come from: new mail, outcomes, compaction. */
export interface Source {
  /** Whether anything waits. */
  readonly waiting: boolean;
  /** How many wait for an answer. */
  readonly asking: number;
  /** Adds what waits, as far as the batch has room. */
  fill(batch: Batch): void;
  /** Nothing can be written: those who need an answer get it. */
  refuse(fault: QueueFault): void;
}

/** What the group commit needs. */
export interface GroupCommitOptions {
  readonly log: SegmentLog;
  readonly sources: readonly Source[];
  readonly now: () => number;
  readonly input: Input;
  /** Longest time that a batch gathers while there is, in milliseconds. */
  readonly gatherTime: number;
  readonly report: (event: QueueEvent) => void;
  /** Hears of the trouble that keeps the log from being written, each time that it changes. */
  readonly troubled: (fault: QueueFault | undefined) => void;
  /** After a fault nothing is tried for so many milliseconds. */
  readonly faultPause: number;
  readonly after: (milliseconds: number, call: () => void) => () => void;
  /** Called after every batch that became durable. */
  readonly committed: (batch: Batch) => void;
}

/**
 * One writer: gathers all that waits, writes it, syncs once, answers all; meanwhile the next batch gathers. A batch that fails
 * is refused as a whole and its segment abandoned, so that nothing of it can come back.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  #running: Promise<void> | undefined;
  #number = 1;
  #fault: QueueFault | undefined;
  #pause = 0;
  /** Bytes of the last batch that could not be written. */
  #needed = 0;
  #pausedUntil = -Infinity;
  #cancelRetry: (() => void) | undefined;
  #flushers: Waiter[] = [];
  #probing = false;
  #closed: QueueFault | undefined;
  readonly #pace = new SyncPace();
  readonly #gathering: Gathering;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    const { input, now, after, gatherTime } = options;
    this.#gathering = new Gathering({ input, now, after, longest: gatherTime });
  }

  /** The trouble that keeps the log from being written, if any. */
  get fault(): QueueFault | undefined {
    return this.#fault;
  }

  /** Whether nothing is accepted for now. */
  get refusing(): boolean {
    return this.#fault !== undefined && this.#options.now() < this.#pausedUntil;
  }

  /** Starts a round soon. */
  kick(): void {
    if (this.#closed !== undefined) return this.#refuseAll(this.#closed);
    this.#running ??= this.#run();
  }

  #refuseAll(fault: QueueFault): void {
    for (const source of this.#options.sources) source.refuse(fault);
    const flushers = this.#flushers;
    this.#flushers = [];
    for (const { reject } of flushers) reject(fault);
  }

  /** Resolves when all that waits now is durable. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#flushers.push({ resolve, reject });
      this.kick();
    });
  }

  /** Calls now if nothing is being written, else not at all. */
  whenIdle(call: () => void): void {
    if (this.#running === undefined) call();
  }

  /** Makes what comes next quick to sync, unless something is being written or waits. */
  prepare(): void {
    const { active } = this.#options.log;
    if (this.#running !== undefined || this.#closed !== undefined || this.#fault !== undefined) return;
    if (active !== undefined) this.#running = this.#prepare(active).then(() => this.#prepared());
  }

  async #prepare(segment: Segment): Promise<void> {
    try {
      if (segment.prepare()) await segment.sync();
    } catch {
      // What the disk has kept is not known; the next batch, in another segment, finds out how it is.
      await this.#abandon(segment);
    }
  }

  #prepared(): void {
    this.#running = undefined;
    if (this.#waiting()) this.kick();
  }

  /** Resolves when no round is running, and none will be: the log may be another process's from now on. */
  async close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#cancelRetry?.();
    this.#closed = new QueueFault("write to the queue", "it is closed");
    this.#refuseAll(this.#closed);
  }

  async #run(): Promise<void> {
    do {
      await this.#gathering.wait(this.#countAsking);
      await this.#round();
    } while (this.#fault === undefined ? this.#waiting() : this.#asked());
    this.#running = undefined;
    if (this.#waiting()) this.#retryLater();
  }

  #waiting(): boolean {
    return this.#flushers.length > 0 || this.#options.sources.some((source) => source.waiting);
  }

  readonly #countAsking = (): number => {
    let count = 0;
    for (const { asking } of this.#options.sources) count += asking;
    return count;
  };

  /** Whether somebody waits for an answer; in a fault it is a refusal, at once. */
  #asked(): boolean {
    return this.#flushers.length > 0 || this.#options.sources.some(({ asking }) => asking > 0);
  }

  #retryLater(): void {
    this.#cancelRetry ??= this.#options.after(this.#pause, () => {
      this.#cancelRetry = undefined;
      this.kick();
    });
  }

  async #round(): Promise<void> {
    const flushers = this.#flushers;
    this.#flushers = [];
    try {
      const all = await this.#write();
      if (all) { for (const { resolve } of flushers) resolve(); }
      else this.#flushers.unshift(...flushers);
    } catch (error) {
      const fault = queueFault("write to the queue", error);
      for (const { reject } of flushers) reject(fault);
    }
  }

  /**
   * Finds out whether a trouble is over though nothing waits to be written: a mark is written and synced, and there must be room
   * for what failed. Rejects when it is not.
   */
  async probe(): Promise<void> {
    if (this.#fault === undefined) return;
    this.#probing = true;
    await this.flush();
  }

  /** Writes what waits; false when one batch could not take it all. */
  async #write(): Promise<boolean> {
    const { sources } = this.#options;
    const probing = this.#probing && this.#fault !== undefined;
    this.#probing = false;
    if (!probing && !sources.some((source) => source.waiting)) return true;
    if (this.#fault !== undefined) await this.#retry();
    if (probing && this.#fault !== undefined) await this.#tryOut();
    return await this.#writeFrom(sources);
  }

  async #tryOut(): Promise<void> {
    try {
      const segment = await this.#options.log.writable();
      segment.makeRoom(this.#needed);
      this.#options.log.mark();
      await segment.sync();
      this.#options.log.confirmPlace(segment);
      this.#recovered();
    } catch (error) {
      throw this.#refuse(error);
    }
  }

  /**
   * After a fault, what nobody waits for goes first and alone: outcomes are small, and they make room on a full disk. What
   * asks for an answer meanwhile is refused.
   */
  async #retry(): Promise<void> {
    const { log, now, sources } = this.#options;
    try {
      if (this.#fault !== undefined && now() < this.#pausedUntil) throw this.#fault;
      await log.reclaim().catch(() => {});
      await this.#writeFrom(sources.filter(({ asking }) => asking === 0));
    } catch (error) {
      throw this.#refuse(error);
    }
  }

  #refuse(error: unknown): QueueFault {
    const fault = this.#faulted(error);
    for (const source of this.#options.sources) source.refuse(fault);
    return fault;
  }

  async #writeFrom(sources: readonly Source[]): Promise<boolean> {
    const segment = await this.#writable();
    const batch = new Batch(segment, this.#number++);
    for (const source of sources) source.fill(batch);
    const all = !sources.some((source) => source.waiting);
    if (batch.entries.length === 0) batch.placed();
    else await this.#commit(batch);
    return all;
  }

  async #writable(): Promise<Segment> {
    try {
      return await this.#options.log.writable();
    } catch (error) {
      throw this.#refuse(error);
    }
  }

  async #commit(batch: Batch): Promise<void> {
    const { now, report, committed } = this.#options;
    const started = now();
    try {
      await this.#makeDurable(batch);
    } catch (error) {
      const fault = this.#faulted(error);
      this.#needed = batch.bytes;
      batch.failed(fault);
      throw fault;
    }
    batch.placed();
    this.#options.log.mark();
    if (this.#fault !== undefined) this.#recovered();
    report({ is: "sync", messages: batch.messages, bytes: batch.bytes, milliseconds: now() - started });
    committed(batch);
  }

  /**
   * The sync of a batch. One message alone on an idle server is synced on the spot where the disk is quick: two wake-ups of a thread
   * and a turn of the event loop would cost as much again.
   */
  async #sync({ segment, messages, bytes }: Batch): Promise<void> {
    const { now } = this.#options;
    const started = now();
    if (this.#gathering.quiet && messages === 1 && bytes <= SMALL && this.#pace.isQuick) segment.syncNow();
    else await segment.sync();
    this.#pace.took(now() - started);
  }

  async #makeDurable(batch: Batch): Promise<void> {
    const { segment, buffers, bytes, messages } = batch;
    if (messages > 0) segment.makeRoom(bytes);
    try {
      segment.write(buffers);
    } catch (error) {
      await this.#takeBack(segment);
      throw error;
    }
    try {
      await this.#sync(batch);
    } catch (error) {
      await this.#abandon(segment);
      throw error;
    }
    try {
      // What is durable where nobody will look for it counts as refused.
      this.#options.log.confirmPlace(segment);
    } catch (error) {
      await this.#abandon(segment);
      throw error;
    }
  }

  /** After a failed write the segment is cut back to what was durable; only if that is sure may it be used again. */
  async #takeBack(segment: Segment): Promise<void> {
    try {
      segment.cut();
      await segment.sync();
      keepRoom(segment);
    } catch {
      await this.#abandon(segment);
    }
  }

  /**
   * After a failed sync nobody knows what the disk kept. A new segment says, durably, that it does not count; where that
   * fails too, the next segment does.
   */
  async #abandon(segment: Segment): Promise<void> {
    const { log } = this.#options;
    await log.abandon(segment);
    try {
      await log.writable();
    } catch { /* tried again with the next batch, which the same trouble refuses until then */ }
  }

  #faulted(error: unknown): QueueFault {
    const fault = queueFault("write to the queue", error);
    if (fault === this.#fault) return fault;
    const { now, troubled, faultPause } = this.#options;
    troubled(fault);
    const rested = now() - this.#pausedUntil > FORGOTTEN_AFTER;
    this.#pause = rested ? faultPause : Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#pausedUntil = now() + this.#pause;
    return this.#fault = fault;
  }

  #recovered(): void {
    this.#fault = undefined;
    this.#options.troubled(undefined);
  }
}
