import fs from "node:fs";
import { errno, libc, systemError } from "../libc.ts";
import { readPid } from "./pid_lock.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
const EAGAIN = 11;

const open = () => libc({ flock: { args: ["i32", "i32"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;

function isLocked(fd: number): boolean {
  if ((calls ??= open()).flock(fd, LOCK_EX | LOCK_NB) === 0) return false;
  const why = errno();
  if (why === EAGAIN) return true;
  throw systemError("flock", why);
}

/**
 * The process that holds a pid file's lock, or undefined when nobody does: a number left by a dead process does not count.
 * Throws EACCES where the file is not ours to read.
 */
export function lockHolder(path: string): number | undefined {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return isLocked(fd) ? readPid(path) : undefined;
  } finally {
    fs.closeSync(fd);
  }
}
