import type { Batch, Source } from "./group_commit.ts";
import { type MessageIndex, QUEUE } from "../index/message_index.ts";
import { FLAG, RECORD, type RecordToWrite, STATE_FLAGS } from "./record.ts";
import type { SegmentLog } from "./segment_log.ts";
import { printChanges, printStates } from "./states.ts";
import type { RecipientChange, RecipientState } from "../store.ts";

/** Changes of a message's recipients since its last full state record. */
interface Run {
  /** All states, once the message has been opened. */
  states: RecipientState[] | undefined;
  /** Changes on top of what is on disk, as long as `states` is not known. */
  readonly overlay: Map<number, RecipientState>;
  /** Recipients whose change no record holds yet. */
  unwritten: number[];
  /** The next record is to hold all states. */
  full: boolean;
  version: number;
}

/** Room in one batch for outcomes. */
const MOST_BYTES = 4 * 1024 * 1024;

/** What became of messages, gathered for the next batch: at most one record a message, however often it changes meanwhile. */
export class Outcomes implements Source {
  readonly #index: MessageIndex;
  readonly #log: SegmentLog;
  readonly #runs = new Map<number, Run>();
  readonly #dirty = new Set<number>();
  #removed: string[] = [];
  #gone: (() => void)[] = [];

  constructor(index: MessageIndex, log: SegmentLog) {
    this.#index = index;
    this.#log = log;
  }

  get waiting(): boolean {
    return this.#dirty.size > 0 || this.#removed.length > 0;
  }

  readonly asking = 0;

  refuse(): void {
    // Nothing is lost: what waits is tried again.
  }

  /** The flags or the due time of a message changed. */
  touch(slot: number): void {
    this.#dirty.add(slot);
  }

  change(slot: number, changes: readonly RecipientChange[]): void {
    if (changes.length === 0) return;
    const run = this.#run(slot);
    for (const { index, state } of changes) {
      if (run.states !== undefined) run.states[index] = state;
      else run.overlay.set(index, state);
      run.unwritten.push(index);
    }
    run.version++;
    this.#dirty.add(slot);
  }

  /** Changes found in the log behind the last full record. */
  replay(slot: number, changes: readonly RecipientChange[]): void {
    const run = this.#run(slot);
    for (const { index, state } of changes) run.overlay.set(index, state);
    run.version++;
  }

  /** The run of a message ends: its next record holds all states, when they are known. */
  finish(slot: number): void {
    const run = this.#runs.get(slot);
    if (run?.states !== undefined && run.version > 0) run.full = true;
    else if (run !== undefined && run.overlay.size === 0) this.#runs.delete(slot);
    this.#dirty.add(slot);
  }

  /** Forgets what needs no record: a run in which nothing changed. */
  release(slot: number): void {
    const run = this.#runs.get(slot);
    if (run !== undefined && run.version === 0) this.#runs.delete(slot);
  }

  /** The message is finished; `gone` is called once that is durable. */
  remove(slot: number, gone?: () => void): void {
    this.#removed.push(this.#index.idOf(slot));
    if (gone !== undefined) this.#gone.push(gone);
    this.forget(slot);
  }

  forget(slot: number): void {
    this.#runs.delete(slot);
    this.#dirty.delete(slot);
  }

  /** All states of a message when they are in memory. */
  statesOf(slot: number): readonly RecipientState[] | undefined {
    return this.#runs.get(slot)?.states;
  }

  /** Whether the states in memory differ from the last full record. */
  differs(slot: number): boolean {
    const run = this.#runs.get(slot);
    return run !== undefined && run.version > 0;
  }

  /** Takes in the states from disk, with the changes since on top. */
  load(slot: number, states: RecipientState[]): readonly RecipientState[] {
    const run = this.#run(slot);
    if (run.states !== undefined) return run.states;
    for (const [index, state] of run.overlay) states[index] = state;
    run.overlay.clear();
    return run.states = states;
  }

  /** States with the changes since on top, for a reader that takes nothing over. */
  view(slot: number, states: RecipientState[]): readonly RecipientState[] {
    const run = this.#runs.get(slot);
    for (const [index, state] of run?.overlay ?? []) states[index] = state;
    return states;
  }

  fill(batch: Batch): void {
    this.#fillRemoved(batch);
    for (const slot of this.#dirty) {
      if (batch.bytes > MOST_BYTES) return;
      this.#dirty.delete(slot);
      this.#fillState(batch, slot);
    }
  }

  #fillRemoved(batch: Batch): void {
    if (this.#removed.length === 0) return;
    const [ids, gone] = [this.#removed, this.#gone];
    [this.#removed, this.#gone] = [[], []];
    batch.add({
      record: { type: RECORD.removed, meta: ids.join(" ") },
      placed: () => gone.forEach((call) => call()),
      failed: () => {
        this.#removed = ids.concat(this.#removed);
        this.#gone = gone.concat(this.#gone);
      },
    });
  }

  #fillState(batch: Batch, slot: number): void {
    const run = this.#runs.get(slot);
    if (run?.full === true) return this.addFull(batch, slot, printStates(run.states!));
    const stamp = this.#index.stamp[slot];
    const unwritten = run?.unwritten ?? [];
    if (run !== undefined) run.unwritten = [];
    batch.add({
      record: this.#delta(slot, run, unwritten),
      placed: () => {},
      failed: () => {
        if (this.#index.stamp[slot] !== stamp || this.#index.queue[slot] === QUEUE.free) return;
        run?.unwritten.push(...unwritten);
        this.#dirty.add(slot);
      },
    });
  }

  #delta(slot: number, run: Run | undefined, unwritten: readonly number[]): RecordToWrite {
    const changes = [...new Set(unwritten)].map((index) => ({
      index,
      state: run!.states?.[index] ?? run!.overlay.get(index)!,
    }));
    return this.#record(slot, FLAG.delta, changes.length === 0 ? "" : printChanges(changes));
  }

  #record(slot: number, extra: number, meta: string | Uint8Array): RecordToWrite {
    const { flags, due } = this.#index;
    return {
      type: RECORD.state,
      flags: (flags[slot]! & STATE_FLAGS) | extra,
      time: due[slot],
      key: this.#index.idOf(slot),
      meta,
    };
  }

  /** Writes flags and due time of a message of which no more is to be said. */
  addMarks(batch: Batch, slot: number): void {
    if ((this.#index.flags[slot]! & STATE_FLAGS) === 0) return;
    batch.add({ record: this.#record(slot, FLAG.delta, ""), placed: () => {}, failed: () => {} });
  }

  /** Writes all states of a message; the index keeps where. Also for compaction, which passes on what it read. */
  addFull(batch: Batch, slot: number, meta: string | Uint8Array): void {
    const index = this.#index;
    const run = this.#runs.get(slot);
    const [stamp, version] = [index.stamp[slot], run?.version];
    const unwritten = run?.unwritten ?? [];
    if (run !== undefined) [run.unwritten, run.full] = [[], false];
    const same = () => index.stamp[slot] === stamp && index.queue[slot] !== QUEUE.free;
    batch.add({
      record: this.#record(slot, 0, meta),
      placed: (at) => {
        if (!same()) return;
        this.#log.release(index.stateSegment[slot]!, index.stateLength[slot]!);
        [index.stateSegment[slot], index.stateOffset[slot]] = [at.segment, at.offset];
        index.stateLength[slot] = at.length;
        this.#log.claim(at);
        this.#settle(slot, run, version);
      },
      failed: () => {
        if (!same()) return;
        if (run !== undefined) [run.full, run.unwritten] = [true, unwritten.concat(run.unwritten)];
        this.#dirty.add(slot);
      },
    });
  }

  /** After a full record: the memory of the run can go, unless it goes on or has changed meanwhile. */
  #settle(slot: number, run: Run | undefined, version: number | undefined): void {
    if (run === undefined || run.version !== version || this.#runs.get(slot) !== run) return;
    if (this.#index.queue[slot] === QUEUE.active) run.version = 0;
    else this.#runs.delete(slot);
  }

  #run(slot: number): Run {
    let run = this.#runs.get(slot);
    if (run === undefined) {
      run = { states: undefined, overlay: new Map(), unwritten: [], full: false, version: 0 };
      this.#runs.set(slot, run);
    }
    return run;
  }
}
