import fs from "node:fs";
import { errno, libc, systemError } from "./libc.ts";

const LOCK = { shared: 1, exclusive: 2 } as const;
const NO_WAIT = 4;
const EINTR = 4;
const EAGAIN = 11;

const open = () => libc({ flock: { args: ["i32", "i32"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;

/** Takes a lock on an open file (flock(2)), waiting for other holders; it ends with the descriptor. */
export function lockFile(fd: number, kind: keyof typeof LOCK): void {
  while ((calls ??= open()).flock(fd, LOCK[kind]) !== 0) {
    const why = errno();
    if (why !== EINTR) throw systemError("flock", why);
  }
}

/** Tells whether another holds an exclusive lock on the file now: it is being rewritten in place. */
export function isLocked(fd: number): boolean {
  try {
    const c = calls ??= open();
    if (c.flock(fd, LOCK.shared | NO_WAIT) === 0) {
      c.flock(fd, 8); // LOCK_UN
      return false;
    }
    return errno() === EAGAIN;
  } catch {
    return false; // no way to ask: judge by what is read
  }
}

/** The same for a file by its name; false when it cannot be opened. */
export function isBeingRewritten(path: string): boolean {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    return isLocked(fd);
  } finally {
    fs.closeSync(fd);
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
      lockFile(fd, "exclusive");
      const named = fs.statSync(path, { throwIfNoEntry: false });
      if (named !== undefined && named.ino === fs.fstatSync(fd).ino) return work(true);
    } finally {
      fs.closeSync(fd);
    }
  }
}
