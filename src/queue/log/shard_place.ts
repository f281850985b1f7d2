import type { Disk } from "../../platform/file/disk.ts";
import { QueueFault } from "../store.ts";

/**
 * Where a shard is: its directories as they were when it was opened. Whoever opens the queue next goes by path, so what is
 * written must be found there; a directory that was removed, moved or replaced goes on taking writes as long as it is held open.
 */
export class ShardPlace {
  readonly #disk: Disk;
  readonly #found = new Map<string, string | undefined>();

  constructor(disk: Disk, paths: readonly string[]) {
    this.#disk = disk;
    for (const path of paths) this.#found.set(path, disk.identity(path));
  }

  /** What is not where it was; undefined when all is well. */
  trouble(): QueueFault | undefined {
    for (const [path, identity] of this.#found) {
      const trouble = this.#compare(path, identity);
      if (trouble !== undefined) return trouble;
    }
    return undefined;
  }

  /** Throws QueueFault when a file that is open is not what its path leads to. Costs one look by path. */
  confirm(path: string, identity: string): void {
    const trouble = this.#compare(path, identity);
    if (trouble !== undefined) throw trouble;
  }

  #compare(path: string, identity: string | undefined): QueueFault | undefined {
    let now: string | undefined;
    try {
      now = this.#disk.identity(path);
    } catch (error) {
      return new QueueFault(`find ${path}`, String(error));
    }
    if (now === identity) return undefined;
    const what = now === undefined ? "removed or moved away" : "replaced by another";
    return new QueueFault(
      "write to the queue",
      `${path} was ${what} while in use; put it back, or restart the service to begin a new queue`,
    );
  }
}
