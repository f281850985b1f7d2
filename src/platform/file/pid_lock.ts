import fs from "node:fs";
import type { DiskLock } from "./disk.ts";
import { flock } from "./flock.ts";

/** Takes an exclusive flock(2) on a file, made when absent, without waiting; undefined when another process holds it. */
export function lockFile(path: string): DiskLock | undefined {
  const fd = fs.openSync(path, "a", 0o600);
  let held = false;
  try {
    held = flock(fd, "exclusive", { wait: false });
  } finally {
    if (!held) fs.closeSync(fd);
  }
  return held ? { release: () => fs.closeSync(fd) } : undefined;
}

/** A held lock that says who holds it. */
export type NamedLock =
  | { readonly is: "ours"; release(): void }
  /** `pid` is what the holder wrote into the file, 0 when it wrote nothing readable. */
  | { readonly is: "taken"; readonly pid: number };

/** Locks a file and writes our process id into it, as Postfix does with master.pid (master(8)). */
export function lockWithPid(path: string): NamedLock {
  const lock = lockFile(path);
  if (lock === undefined) return { is: "taken", pid: readPid(path) };
  fs.writeFileSync(path, `${process.pid}\n`);
  return { is: "ours", release: () => lock.release() };
}

/** The process id in a lock file, 0 when there is none. */
export function readPid(path: string): number {
  try {
    const pid = Number.parseInt(fs.readFileSync(path, "latin1"), 10);
    return pid > 0 ? pid : 0;
  } catch {
    return 0;
  }
}
