import fs from "node:fs";
import { flock } from "./flock.ts";

/** A shared lock on a file that is being read: `busy` when another process rewrites the file under its exclusive lock now. */
export type SharedLock = "busy" | { readonly release: () => void };

const NOT_LOCKED: SharedLock = { release: () => {} };

/**
 * Takes the shared lock of a file while it is opened and first looked at; with `wait` it waits for a writer to end. A file
 * that cannot be opened or locked at all is left to the reader to judge.
 */
export function sharedLock(path: string, wait: boolean): SharedLock {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch {
    return NOT_LOCKED;
  }
  try {
    if (flock(fd, "shared", { wait })) return { release: () => fs.closeSync(fd) };
    fs.closeSync(fd);
    return "busy";
  } catch {
    fs.closeSync(fd);
    return NOT_LOCKED; // a file system without locks: judge by what is read
  }
}

/**
 * Runs `work` under the exclusive lock of a file that is to be read, changed and replaced; `exists` is false when there is
 * none yet. Waits for other holders, and makes sure that the locked file still has the name.
 */
export function lockedForUpdate<T>(path: string, work: (exists: boolean) => T): T {
  for (;;) {
    let fd: number;
    try {
      fd = fs.openSync(path, fs.constants.O_RDWR);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return work(false);
    }
    try {
      flock(fd, "exclusive", { wait: true });
      const named = fs.statSync(path, { throwIfNoEntry: false });
      if (named !== undefined && named.ino === fs.fstatSync(fd).ino) return work(true);
    } finally {
      fs.closeSync(fd);
    }
  }
}
