import { lockFile } from "../platform/file/lock/pid_lock.ts";
import type { DiskLock } from "../platform/file/disk.ts";
import { asOwner } from "../platform/process/effective_ids.ts";
import type { Identity } from "../platform/process/spawn.ts";
import { errorCode, systemErrorText } from "../platform/system_error.ts";

/** The lock of data_directory (master(8)): two mail systems with one folder would take each other's state for theirs. */
export class DataLock {
  #held: { readonly path: string; readonly lock: DiskLock } | undefined;

  /** Takes it, and lets go of another folder's. Throws an Error, in Postfix's words and with the remedy, when somebody else has it. */
  hold(directory: string, owner: Identity | undefined): void {
    const path = `${directory}/master.lock`;
    if (this.#held?.path === path) return;
    const lock = take(path, owner);
    this.#held?.lock.release();
    this.#held = lock === undefined ? undefined : { path, lock };
  }
}

/** As the owner of the folder, who could have put anything there; where nothing can be written there is nothing to guard. */
function take(path: string, owner: Identity | undefined): DiskLock | undefined {
  const open = () => lockFile(path);
  let lock: DiskLock | undefined;
  try {
    lock = owner === undefined ? open() : asOwner(owner.uid, owner.gid, open);
  } catch (error) {
    if (errorCode(error) === "EROFS") return undefined;
    throw new Error(`open lock file ${path}: ${systemErrorText(error)}`, { cause: error });
  }
  if (lock !== undefined) return lock;
  throw new Error(
    `open lock file ${path}: unable to set exclusive lock: Resource temporarily unavailable; ` +
      "another mail system has this data_directory: give each its own",
  );
}
