import fs from "node:fs";
import { flock } from "./flock.ts";
import { readPid } from "./pid_lock.ts";

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
    return flock(fd, "exclusive", { wait: false }) ? undefined : readPid(path);
  } finally {
    fs.closeSync(fd);
  }
}
