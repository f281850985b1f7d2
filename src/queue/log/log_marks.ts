import type { Disk, DiskFile } from "../../platform/file/disk.ts";
import { type LogMark, MarkBlock } from "./log_mark.ts";
import type { Segment } from "./segment.ts";

/** What a new mark says, but for its number. */
export type MarkFacts = Omit<LogMark, "sequence">;

/**
 * The marks of a shard's log, in two places: in the segment that is written to, where the group commit's own sync covers
 * them, and in a file beside the log, which knows of segments that are gone.
 */
export class LogMarks {
  readonly #path: string;
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #block: number;
  #file: DiskFile | undefined;
  /** The file's directory entry is durable. */
  #entered = false;
  #sequence = 0;

  constructor(disk: Disk, directory: string, block: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#path = `${directory}/mark`;
    this.#block = block;
  }

  /** Marks of the file beside the log. */
  async read(mode: "read" | "write"): Promise<LogMark[]> {
    if (!this.#disk.exists(this.#path)) return [];
    this.#file = this.#disk.open(this.#path, mode);
    return await new MarkBlock(this.#file, 0, this.#block).read();
  }

  /** New marks are newer than one that was found. */
  follow({ sequence }: LogMark): void {
    this.#sequence = Math.max(this.#sequence, sequence);
  }

  /**
   * Leaves a mark in the segment without a sync: the next one covers it. A disk that does not take it shows itself at the next
   * write.
   */
  leave(facts: MarkFacts, active: Segment | undefined): void {
    const mark = { ...facts, sequence: this.#sequence + 1 };
    try {
      active?.writeMark(mark);
      this.#sequence = mark.sequence;
    } catch { /* the mark before stays true */ }
  }

  /** Leaves a mark in the file beside the log, without a sync: after a kill it is there, after a power failure perhaps. */
  note(facts: MarkFacts): void {
    try {
      this.#write(facts, undefined);
    } catch { /* the mark before stays true */ }
  }

  /** Leaves a mark and makes it durable in the file beside the log. Rejects when the disk fails. */
  async settle(facts: MarkFacts): Promise<void> {
    // In both places: no older mark may count again when a later one is torn.
    this.#write(facts, undefined);
    this.#write(facts, undefined);
    await this.#sync();
  }

  /** The number of the next mark. */
  get next(): number {
    return this.#sequence + 1;
  }

  /**
   * The last mark of all, durable in both places. Only a log that nobody writes to any more may be synced here: the system tells of a
   * failed write once, and the group commit has to hear of it.
   */
  async finish(facts: MarkFacts, active: Segment | undefined): Promise<void> {
    this.#write(facts, active);
    await active?.sync();
    await this.#sync();
  }

  async #sync(): Promise<void> {
    await this.#file?.sync();
    if (!this.#entered) await this.#disk.syncDirectory(this.#directory);
    this.#entered = true;
  }

  #write(facts: MarkFacts, active: Segment | undefined): void {
    const mark = { ...facts, sequence: this.#sequence + 1 };
    this.#file ??= this.#disk.create(this.#path);
    new MarkBlock(this.#file, 0, this.#block).write(mark);
    active?.writeMark(mark);
    this.#sequence = mark.sequence;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}
