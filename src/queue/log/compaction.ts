import type { Batch, Source, Waiter } from "./group_commit.ts";
import { type MessageIndex, QUEUE } from "../index/message_index.ts";
import type { CheckpointFiles } from "./checkpoint_files.ts";
import { slotsIn } from "./slots_in.ts";
import type { Outcomes } from "./outcomes.ts";
import { type DecodedRecord, FLAG, RECORD } from "./record.ts";
import type { Segment } from "./segment.ts";
import type { SegmentLog } from "./segment_log.ts";
import { freshStates, parseStates, printStates } from "./states.ts";
import type { QueueFault } from "../store.ts";
import { parseEnvelope } from "./stored.ts";

/** What compaction needs of the store. */
export interface CompactionOptions {
  readonly index: MessageIndex;
  readonly log: SegmentLog;
  readonly checkpoints: CheckpointFiles;
  readonly outcomes: Outcomes;
  /** Bytes read and re-appended in one group commit. */
  readonly step: number;
  readonly slack: number;
  readonly slackBytes: number;
  readonly kick: () => void;
  /** The message's record, checked; undefined when it was damaged and is now set aside. */
  readonly readMessage: (slot: number) => Promise<DecodedRecord | undefined>;
  /** Meta of the message's full state record; undefined when there is none. */
  readonly readState: (slot: number) => Promise<Buffer | undefined>;
}

/** A message that was read to be appended again. */
interface Move {
  readonly slot: number;
  readonly stamp: number;
  readonly record: DecodedRecord;
  /** Where its full state record was, and that record's meta; undefined when there is none. */
  readonly state:
    | { readonly segment: number; readonly offset: number; readonly meta: Buffer }
    | undefined;
}

/** A sealed segment in which at most this part lives is emptied at once. */
const MOSTLY_DEAD = 0.25;

/**
 * Empties the oldest segments by appending again what lives in them. The copy is durable before the original goes; in between
 * both are there, and replay takes the earlier one. So a message's record always stands before all that is recorded of it.
 */
export class Compaction implements Source {
  readonly #options: CompactionOptions;
  #moves: Move[] = [];
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  #stopped = false;
  /** The log is to shrink to what lives. */
  #isTidy = false;

  constructor(options: CompactionOptions) {
    this.#options = options;
  }

  get waiting(): boolean {
    return this.#moves.length > 0 || this.#waiters.length > 0;
  }

  get asking(): number {
    return this.#moves.length + this.#waiters.length;
  }

  /** Does what is due, if it is not being done: frees dead segments, empties mostly dead ones. Rejects on a fault. */
  run(tidy = false): Promise<void> {
    // Also where it is being done: nobody may ask for it again.
    this.#isTidy ||= tidy;
    return this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      this.#isTidy = false;
    });
  }

  /** No new step begins; resolves when the current one is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => {});
  }

  async #run(): Promise<void> {
    const { log } = this.#options;
    for (;;) {
      await log.reclaim();
      const oldest = log.segments[0];
      if (this.#stopped || oldest === undefined || oldest === log.active) return;
      if (!this.#isDue(oldest)) return;
      await this.#empty(oldest);
    }
  }

  #isDue(oldest: Segment): boolean {
    const { log, slack, slackBytes } = this.#options;
    if (oldest.live <= oldest.end * MOSTLY_DEAD) return true;
    const [bytes, live] = [log.bytes, log.live];
    return bytes > slack * live + (this.#isTidy ? 0 : slackBytes);
  }

  /** Moves all that lives in a segment, a step at a time. */
  async #empty(segment: Segment): Promise<void> {
    const { index, step, checkpoints } = this.#options;
    const slots = await slotsIn(segment, index, checkpoints);
    for (let at = 0; at < slots.length && !this.#stopped;) {
      let bytes = 0;
      for (; at < slots.length && bytes < step; at++) {
        bytes += index.length[slots[at]!]!;
        await this.#prepare(slots[at]!, segment);
      }
      await this.#moved();
    }
  }

  async #prepare(slot: number, segment: Segment): Promise<void> {
    const { index, outcomes, readMessage, readState } = this.#options;
    if (index.queue[slot] === QUEUE.free || index.segment[slot] !== segment.number) return;
    const stamp = index.stamp[slot]!;
    const record = await readMessage(slot);
    if (record === undefined || index.stamp[slot] !== stamp) return;
    const at = { segment: index.stateSegment[slot]!, offset: index.stateOffset[slot]! };
    const meta = await readState(slot);
    const move = { slot, stamp, record, state: meta === undefined ? undefined : { ...at, meta } };
    if (!this.#isSame(move) || !this.#isLatest(move)) return;
    if (outcomes.differs(slot) && outcomes.statesOf(slot) === undefined) {
      outcomes.load(slot, meta === undefined ? freshStates(recipientCount(record)) : parseStates(meta));
    }
    this.#moves.push(move);
  }

  /** Resolves when the prepared moves are durable. */
  #moved(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#options.kick();
    });
  }

  refuse(fault: QueueFault): void {
    this.#moves = [];
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(fault);
  }

  fill(batch: Batch): void {
    const [moves, waiters] = [this.#moves, this.#waiters];
    [this.#moves, this.#waiters] = [[], []];
    for (const move of moves) this.#fillMove(batch, move);
    batch.afterwards(waiters);
  }

  /** The message, and behind it all that is known of it: what the segments before say is about to go. */
  #fillMove(batch: Batch, move: Move): void {
    const { outcomes } = this.#options;
    const { slot, state } = move;
    if (!this.#isSame(move)) return;
    const known = outcomes.statesOf(slot);
    if (known === undefined && (outcomes.differs(slot) || !this.#isLatest(move))) return;
    this.#fillMessage(batch, move);
    if (known !== undefined) outcomes.addFull(batch, slot, printStates(known));
    else if (state !== undefined) outcomes.addFull(batch, slot, state.meta);
    else outcomes.addMarks(batch, slot);
  }

  #isSame({ slot, stamp }: Move): boolean {
    const { index } = this.#options;
    return index.stamp[slot] === stamp && index.queue[slot] !== QUEUE.free;
  }

  /** Whether the state that was read still is the last one. */
  #isLatest({ slot, state }: Move): boolean {
    const { index } = this.#options;
    if (index.stateLength[slot] === 0) return state === undefined;
    return state !== undefined && index.stateSegment[slot] === state.segment &&
      index.stateOffset[slot] === state.offset;
  }

  #fillMessage(batch: Batch, move: Move): void {
    const { index, log } = this.#options;
    const { slot, record: { head, meta, content } } = move;
    const hold = index.flags[slot]! & FLAG.hold;
    batch.add({
      record: {
        type: RECORD.message,
        flags: (head.flags & FLAG.spooled) | hold,
        time: head.time,
        size: head.size,
        key: head.key,
        meta,
        content,
      },
      placed: (at) => {
        if (!this.#isSame(move)) return;
        log.release(index.segment[slot]!, index.length[slot]!);
        index.relocate(slot, at);
        log.claim(at);
      },
      failed: () => {},
    });
  }
}

/** Number of recipients in a message record's envelope. */
function recipientCount({ meta }: DecodedRecord): number {
  return parseEnvelope(meta).recipients.length;
}
