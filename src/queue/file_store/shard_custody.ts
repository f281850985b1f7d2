import { dirname } from "node:path";
import type { Disk } from "../../platform/file/disk.ts";
import { errorCode } from "../../platform/system_error.ts";
import type { Custody } from "../custody.ts";
import type { QueueId } from "../envelope.ts";
import { SharedSync } from "../log/spool.ts";

/** The files in custody of one shard, in a folder of their own, each named as its message will be. */
export class ShardCustody implements Custody {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #sync: SharedSync;
  readonly #taken = new SharedSync(() => this.#syncBoth());
  /** Where files come from. */
  #source: string | undefined;
  readonly #held = new Set<QueueId>();
  /** Files of an earlier process that were not matched with their messages yet. */
  #earlier: readonly QueueId[] = [];
  #left: QueueId[] = [];
  readonly #listeners: (() => void)[] = [];

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
    this.#sync = new SharedSync(() => disk.syncDirectory(folder));
  }

  path(id: QueueId): string {
    return `${this.#folder}/${id}`;
  }

  /** Whether a file of that id is there. */
  has(id: QueueId): boolean {
    return this.#held.has(id);
  }

  take(path: string, id: QueueId): boolean {
    try {
      this.#disk.rename(path, this.path(id));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return false;
      throw error;
    }
    this.#held.add(id);
    this.#source = dirname(path);
    return true;
  }

  /** A message that survives a power failure must not meet its own file where that came from. */
  async secured(): Promise<void> {
    await this.#taken.request();
  }

  async #syncBoth(): Promise<void> {
    const source = this.#source === undefined ? undefined : this.#disk.syncDirectory(this.#source);
    await Promise.all([source, this.#sync.request()]);
  }

  drop(id: QueueId): void {
    if (!this.#held.delete(id)) return;
    try {
      this.#disk.unlink(this.path(id));
    } catch { /* the next start removes it, or makes a message of it */ }
  }

  /** The message of that id is durable: its file goes. Resolves when that is durable too, or cannot be made so. */
  async committed(id: QueueId): Promise<void> {
    this.drop(id);
    await this.#sync.request().catch(() => {}); // then the message may come again after a power failure
  }

  left(): readonly QueueId[] {
    const left = this.#left;
    this.#left = [];
    return left;
  }

  onLeft(listener: () => void): void {
    this.#listeners.push(listener);
    if (this.#left.length > 0) queueMicrotask(listener);
  }

  #names(): QueueId[] {
    return this.#disk.list(this.#folder) as QueueId[]; // nothing else is put there
  }

  /** Notes what an earlier process has left, before anything is taken: no new message gets the name of such a file. */
  find(): void {
    this.#earlier = this.#names();
    for (const id of this.#earlier) this.#held.add(id);
  }

  /**
   * After replay: of the files that were found, those whose messages are in the queue go, durably, before one of these is delivered;
   * the others are left. Where it is not `sure` that those messages are durable, their files go with them, as late as can be.
   */
  async match(isQueued: (id: QueueId) => boolean, sure: boolean): Promise<void> {
    for (const id of this.#earlier) {
      if (!isQueued(id)) this.#left.push(id);
      else if (sure) this.drop(id);
    }
    this.#earlier = [];
    // What a killed process took and removed may be known to the system's memory only, as yet.
    await this.#sync.request().catch(() => {});
    this.#announce();
  }

  #announce(): void {
    if (this.#left.length > 0) { for (const listener of this.#listeners) listener(); }
  }

  /**
   * Takes over what is in the custody of a shard whose messages are ours now; `rename` gives ids to those whose own is another's here.
   * Files of messages that came with it go. What cannot be moved keeps no other file from it: a user who was quick may have had a folder
   * taken that he alone may move. Its fault comes at the end.
   */
  adopt(
    orphan: ShardCustody,
    taken: ReadonlySet<QueueId>,
    rename: (id: QueueId) => QueueId,
  ): void {
    let fault: { readonly error: unknown } | undefined;
    for (const from of orphan.#names()) {
      if (taken.has(from)) {
        orphan.drop(from);
        continue;
      }
      try {
        this.#adoptOne(orphan, from, rename(from));
      } catch (error) {
        fault ??= { error };
      }
    }
    this.#announce();
    if (fault !== undefined) throw fault.error;
  }

  #adoptOne(orphan: ShardCustody, from: QueueId, id: QueueId): void {
    this.#disk.rename(orphan.path(from), this.path(id));
    orphan.#held.delete(from);
    this.#held.add(id);
    this.#left.push(id);
  }
}
