import fs from "node:fs";
import { errno, libc, systemError } from "./libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
const EAGAIN = 11;

const open = () => libc({ flock: { args: ["i32", "i32"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;

/** Takes the exclusive lock of an open file (flock(2)) without waiting; false when another holds it. It ends with the descriptor. */
export function tryLock(fd: number): boolean {
  if ((calls ??= open()).flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const why = errno();
  if (why === EAGAIN) return false;
  throw systemError("flock", why);
}

/** A lock file that holds the pid of its owner (Postfix's pid/master.pid). */
export interface PidLock {
  release(): void;
}

/** Takes a pid file's lock and writes our pid into it, or answers who has it. A dead owner leaves no lock. */
export function lockPidFile(path: string, pid: number): PidLock | { readonly heldBy: number } {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
  if (!tryLock(fd)) {
    fs.closeSync(fd);
    return { heldBy: pidIn(path) };
  }
  fs.ftruncateSync(fd, 0);
  fs.writeSync(fd, `${String(pid).padStart(10)}\n`, 0);
  return { release: () => fs.closeSync(fd) };
}

/** Who holds a pid file's lock: undefined when nobody does. */
export function pidLockHolder(path: string): number | undefined {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return tryLock(fd) ? undefined : pidIn(path);
  } finally {
    fs.closeSync(fd);
  }
}

function pidIn(path: string): number {
  return Number.parseInt(fs.readFileSync(path, "utf8"), 10) || 0;
}
