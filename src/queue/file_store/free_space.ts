import type { Disk } from "../../platform/file/disk.ts";
import type { FileStoreOptions } from "../log/file_store_options.ts";
import { QueueFault } from "../store.ts";

/** What the check of free space needs. */
export interface FreeSpaceOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly settings: FileStoreOptions["settings"];
}

/** Free space for new mail, as far as the last look at the file system goes (queue_minfree, message_size_limit: postconf(5)). */
export class FreeSpace {
  readonly #options: FreeSpaceOptions;
  readonly #reserve: number;
  #free = Infinity;

  constructor(options: FreeSpaceOptions) {
    this.#options = options;
    const { queue_minfree, message_size_limit } = options.settings;
    this.#reserve = Math.max(queue_minfree, 1.5 * message_size_limit);
  }

  look(): void {
    const { disk, path } = this.#options;
    try {
      this.#free = disk.freeBytes(path);
    } catch {
      this.#free = Infinity; // the write itself will tell
    }
  }

  /** Why there is no room for so many bytes more; undefined when there is. */
  trouble(size: number): QueueFault | undefined {
    if (this.#free - size > this.#reserve) return undefined;
    const why = `${this.#free} bytes are free, and ${this.#reserve} are kept free ` +
      "(queue_minfree, 1.5 times message_size_limit)";
    return new QueueFault("write to the queue", why, { kind: "full" });
  }
}
