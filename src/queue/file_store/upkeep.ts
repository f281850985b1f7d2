import type { Compaction } from "../log/compaction.ts";
import type { GroupCommit } from "../log/group_commit.ts";
import type { BodyBlocks } from "./body_blocks.ts";
import type { Shard } from "./shard.ts";
import type { StoreWorld } from "./store_world.ts";

/** At most this often, in milliseconds, the file beside the log hears how far that is. */
const NOTE_EVERY = 100;
/** After trouble in compaction it rests for so many milliseconds. */
const COMPACTION_PAUSE = 30_000;

/** What is kept up. */
export interface UpkeepOptions {
  readonly shard: Shard;
  readonly world: StoreWorld;
  /** Goes on when the clock is set back. */
  readonly now: () => number;
  readonly compaction: Compaction;
  readonly commits: GroupCommit;
  readonly bodyBlocks: BodyBlocks;
}

/** What a store does for its log without being asked: notes how far it is, frees what no longer counts, shrinks it at rest. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #isOver = false;
  #lastAppend = 0;
  #compactionRests = 0;
  /** The last mark on its way to the disk. */
  #settling: Promise<void> | undefined;
  #cancelIdle: (() => void) | undefined;
  #cancelNote: (() => void) | undefined;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** A message comes: the store is not at rest. */
  appending(): void {
    this.#lastAppend = this.#options.now();
  }

  /** A batch is durable. */
  committed(): void {
    this.#noteSoon();
    this.#compact(false);
    this.tidyLater();
  }

  /** Now and then, as that says nothing about single group commits. */
  #noteSoon(): void {
    if (this.#isOver) return;
    const { world, shard, commits } = this.#options;
    this.#cancelNote ??= world.after(NOTE_EVERY, () => {
      this.#cancelNote = undefined;
      shard.log.note();
      commits.prepare();
    });
  }

  #compact(tidy: boolean): void {
    const { shard, now, compaction } = this.#options;
    if (this.#isOver || !shard.isLoaded || now() < this.#compactionRests) return;
    compaction.run(tidy).catch(() => {
      this.#compactionRests = now() + COMPACTION_PAUSE;
    });
  }

  /** Some time after the last append the log shrinks to what lives. */
  tidyLater(): void {
    if (this.#isOver || this.#cancelIdle !== undefined) return;
    const { world: { after, limits }, now } = this.#options;
    this.#cancelIdle = after(limits.idleTime, () => {
      this.#cancelIdle = undefined;
      if (now() - this.#lastAppend < limits.idleTime) return this.tidyLater();
      this.#tidy();
    });
  }

  #tidy(): void {
    const { bodyBlocks, shard: { log }, world: { limits: { preallocate, slack } }, commits } = this.#options;
    bodyBlocks.shrink();
    const { active } = log;
    if (commits.fault !== undefined) return;
    if (active !== undefined && active.end > preallocate && active.live * slack < active.end) {
      commits.whenIdle(() => log.seal());
    }
    this.#compact(true);
    this.#settling ??= log.settleLast().catch(() => {}).finally(() => this.#settling = undefined);
  }

  /** Nothing begins any more. */
  end(): void {
    this.#isOver = true;
    this.#cancelIdle?.();
    this.#cancelNote?.();
  }

  /** Resolves when nothing of it is going on, compaction aside. */
  async ended(): Promise<void> {
    await this.#settling;
  }
}
