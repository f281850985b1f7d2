import fs from "node:fs";
import type { DiskLock } from "../disk.ts";
import { flock } from "./flock.ts";
import type { HeldFolder } from "../folder/held_folder.ts";

const { O_CREAT, O_NOFOLLOW, O_RDWR } = fs.constants;

/** A file, made when absent, open and perhaps locked. */
interface Locked {
  readonly fd: number;
  readonly isOurs: boolean;
}

function lock(path: string): Locked {
  const fd = fs.openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    return { fd, isOurs: flock(fd, "exclusive", { wait: false }) };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** Takes an exclusive flock(2) on a file, made when absent, without waiting; undefined when another process holds it. */
export function lockFile(path: string): DiskLock | undefined {
  const { fd, isOurs } = lock(path);
  if (isOurs) return { release: () => fs.closeSync(fd) };
  fs.closeSync(fd);
  return undefined;
}

/** A held lock that says who holds it. */
export type NamedLock =
  | { readonly is: "ours"; release(): void }
  /** `pid` is what the holder wrote into the file, 0 when it wrote nothing readable. */
  | { readonly is: "taken"; readonly pid: number };

/** Locks a file and writes our process id into it, as Postfix does with master.pid (master(8)). */
export function lockWithPid(folder: HeldFolder, name: string): NamedLock {
  const { fd, isOurs } = lock(folder.entry(name));
  if (!isOurs) {
    const pid = readPid(fd);
    fs.closeSync(fd);
    return { is: "taken", pid };
  }
  fs.ftruncateSync(fd);
  fs.writeSync(fd, `${process.pid}\n`, 0);
  return { is: "ours", release: () => fs.closeSync(fd) };
}

/** The process id in an open lock file, 0 when there is none. */
export function readPid(fd: number): number {
  const bytes = Buffer.alloc(32);
  const pid = Number.parseInt(bytes.toString("latin1", 0, fs.readSync(fd, bytes, 0, bytes.length, 0)), 10);
  return pid > 0 ? pid : 0;
}
