import type { Disk } from "../../platform/file/disk.ts";
import { type Checkpoint, CheckpointDraft, readCheckpoint } from "./checkpoint.ts";
import type { Segment } from "./segment.ts";

/** What the files need. */
export interface CheckpointFilesOptions {
  readonly disk: Disk;
  /** Where the segments are. */
  readonly directory: string;
  readonly mode: "read" | "write";
  /** The index goes by sites. */
  readonly bySite: boolean;
}

const SUFFIX = ".idx";

/** Where the checkpoint of a segment's file is. */
function beside(path: string): string {
  return path.replace(/\.seg$/, SUFFIX);
}

/**
 * The checkpoints of a log, a file beside each segment that is complete. No sync is owed to them, and no trouble with them is
 * anybody's: what is not there, or not whole, costs a reading of its segment.
 */
export class CheckpointFiles {
  readonly #options: CheckpointFilesOptions;
  readonly #writing = new Map<Segment, Promise<void>>();

  constructor(options: CheckpointFilesOptions) {
    this.#options = options;
  }

  /** Where the records of a segment are put down; undefined for a reader. */
  begin(): CheckpointDraft | undefined {
    return this.#options.mode === "write" ? new CheckpointDraft(this.#options.bySite) : undefined;
  }

  /** Writes what was put down of a segment that is complete and durable, off the event loop. Never rejects. */
  write(segment: Segment, draft: CheckpointDraft): Promise<void> {
    const bytes = draft.finish(segment);
    if (bytes === undefined) return Promise.resolve();
    const written = this.#write(beside(segment.path), bytes).finally(() => this.#writing.delete(segment));
    this.#writing.set(segment, written);
    return written;
  }

  async #write(path: string, bytes: Buffer): Promise<void> {
    const { disk } = this.#options;
    try {
      if (disk.exists(path)) disk.unlink(path);
      const file = disk.create(path);
      try {
        await file.writeLater([bytes], 0);
      } finally {
        file.close();
      }
    } catch {
      this.#unlink(path); // space for mail comes first
    }
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing.values());
  }

  /** The checkpoint of a segment; undefined when there is none that is whole and of this very segment. */
  async read(segment: Segment): Promise<Checkpoint | undefined> {
    await this.#writing.get(segment);
    const path = beside(segment.path);
    try {
      if (!this.#options.disk.exists(path)) return undefined;
      const checkpoint = readCheckpoint(await this.#readFile(path));
      const { number, nonce } = segment;
      if (checkpoint?.number !== number || checkpoint.nonce !== nonce) return undefined;
      return checkpoint.sites || !this.#options.bySite ? checkpoint : undefined;
    } catch {
      return undefined;
    }
  }

  async #readFile(path: string): Promise<Buffer> {
    const file = this.#options.disk.open(path, "read");
    try {
      const bytes = Buffer.allocUnsafeSlow(file.size());
      const got = await file.read(bytes, 0);
      return bytes.subarray(0, got);
    } finally {
      file.close();
    }
  }

  /** Removes the checkpoint of a segment that is about to go, or one that is not believed. */
  drop(segment: Segment): void {
    if (this.#options.mode === "read") return;
    segment.draft = undefined;
    const path = beside(segment.path);
    const writing = this.#writing.get(segment);
    if (writing === undefined) this.#unlink(path);
    else void writing.then(() => this.#unlink(path));
  }

  /** Removes checkpoints whose segment is gone, of all the names in the directory. */
  dropOrphans(names: readonly string[]): void {
    if (this.#options.mode === "read") return;
    const wanted = new Set(names.filter((name) => name.endsWith(".seg")).map(beside));
    for (const name of names) {
      if (name.endsWith(SUFFIX) && !wanted.has(name)) this.#unlink(`${this.#options.directory}/${name}`);
    }
  }

  #unlink(path: string): void {
    try {
      if (this.#options.disk.exists(path)) this.#options.disk.unlink(path);
    } catch { /* it is not believed, and goes when the next start finds it alone */ }
  }
}
