import type { Disk } from "../../platform/file/disk.ts";
import type { FileStoreOptions } from "../log/file_store_options.ts";

/** How long an answer of the file system is good, in milliseconds. */
const FRESH = 1000;

/** What the check of free space needs. */
export interface FreeSpaceOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly now: () => number;
  readonly settings: FileStoreOptions["settings"];
}

/** Answers whether a message of some size may come in (queue_minfree, message_size_limit: postconf(5)). */
export function freeSpaceCheck({ disk, path, now, settings }: FreeSpaceOptions): (size: number) => boolean {
  const reserve = Math.max(settings.queue_minfree, 1.5 * settings.message_size_limit);
  let free = Infinity;
  let asked = -Infinity;
  return (size) => {
    if (Math.abs(now() - asked) > FRESH) {
      try {
        free = disk.freeBytes(path);
      } catch {
        free = Infinity; // the write itself will tell
      }
      asked = now();
    }
    return free - size > reserve;
  };
}
