import fs from "node:fs";
import { errno, libc, systemError } from "../libc.ts";

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
    const c = calls ??= open();
    while (c.flock(fd, LOCK.shared | (wait ? 0 : NO_WAIT)) !== 0) {
      const why = errno();
      if (why === EINTR) continue;
      fs.closeSync(fd);
      return why === EAGAIN ? "busy" : NOT_LOCKED;
    }
    return { release: () => fs.closeSync(fd) };
  } catch {
    fs.closeSync(fd);
    return NOT_LOCKED; // no way to ask the system: judge by what is read
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
