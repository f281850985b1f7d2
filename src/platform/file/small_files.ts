import fs from "node:fs";
import { errorCode } from "../system_error.ts";
import { flock } from "./lock/flock.ts";

/** Gives a file another name, in place of a file that has it. Throws the system's error. */
export function renameFile(from: string, to: string): void {
  fs.renameSync(from, to);
}

/** Reads a small file whole; throws the system's error. */
export function readSmallFile(path: string): Uint8Array {
  return fs.readFileSync(path);
}

/** The text of a small file; undefined where there is none. Throws the system's error. */
export function readTextIfThere(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return undefined;
    throw error;
  }
}

/** Whether something has a name, whatever it is. */
export function isThere(path: string): boolean {
  return fs.existsSync(path);
}

/** Whether there is a regular file (or a link to one) that can be read. */
export function isReadableFile(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.R_OK);
    return fs.statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Puts new content in place of a file: a temporary file beside it, synced, then renamed over it, so that a reader sees the
 * old or the new one whole. Mode and owner stay those of the old file; a symbolic link stays a link. `edit` runs while the
 * temporary file, which locks out other editors, is ours.
 */
export function replaceFile(path: string, suffix: string, edit: (old: Uint8Array) => Uint8Array): void {
  const target = linkTarget(path);
  const temporary = `${target}${suffix}`;
  const fd = openLocked(temporary);
  try {
    const old = fs.statSync(target);
    writeAll(fd, edit(fs.readFileSync(target)));
    giveLike(fd, old);
    fs.fsyncSync(fd);
    fs.renameSync(temporary, target);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  } finally {
    fs.closeSync(fd);
  }
  syncFolder(target);
}

/** Where a link leads to; the path itself when it leads nowhere. */
function linkTarget(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch {
    return path;
  }
}

const TIME_LIMIT = 10_000;

/** Opens the temporary file and holds its lock; one left by a crash has none and is taken over. */
function openLocked(path: string): number {
  const { O_CREAT, O_WRONLY, O_NOFOLLOW } = fs.constants;
  for (const deadline = Date.now() + TIME_LIMIT;;) {
    const fd = fs.openSync(path, O_CREAT | O_WRONLY | O_NOFOLLOW, 0o600);
    if (flock(fd, "exclusive", { wait: false }) && isStill(fd, path)) {
      fs.ftruncateSync(fd);
      return fd;
    }
    fs.closeSync(fd);
    if (Date.now() > deadline) {
      const busy = new Error("EBUSY: another program is editing the file");
      throw Object.assign(busy, { code: "EBUSY", syscall: "open", path });
    }
    Bun.sleepSync(50);
  }
}

/** Whether the open file is the one under that name, and under no other. */
function isStill(fd: number, path: string): boolean {
  const [open, named] = [fs.fstatSync(fd), fs.statSync(path, { throwIfNoEntry: false })];
  if (named === undefined || named.ino !== open.ino || named.dev !== open.dev) return false;
  if (open.isFile() && open.nlink === 1) return true;
  fs.unlinkSync(path);
  return false;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at);
}

function giveLike(fd: number, old: fs.Stats): void {
  const now = fs.fstatSync(fd);
  if (now.uid !== old.uid || now.gid !== old.gid) {
    try {
      fs.fchownSync(fd, old.uid, old.gid);
    } catch { /* only root can keep another owner; the mode below is kept either way */ }
  }
  fs.fchmodSync(fd, old.mode & 0o7777);
}

function syncFolder(path: string): void {
  const folder = fs.openSync(path.slice(0, path.lastIndexOf("/")) || "/", "r");
  try {
    fs.fsyncSync(folder);
  } finally {
    fs.closeSync(folder);
  }
}

/** When a file was changed last, in milliseconds since 1970; undefined where there is none that may be looked at. */
export function changedAt(path: string): number | undefined {
  try {
    return fs.statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}
