import fs from "node:fs";

/** The system's words for an error, as C's strerror writes them. */
export function systemErrorText(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EISDIR") return "Is a directory";
  const text = /^[A-Z0-9]+: ([^,]+)/.exec(message ?? "")?.[1] ?? message ?? String(error);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Reads a small file whole; throws the system's error. */
export function readSmallFile(path: string): Uint8Array {
  return fs.readFileSync(path);
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
  const target = fs.realpathSync(path);
  const temporary = `${target}${suffix}`;
  const fd = openExclusively(temporary);
  try {
    const old = fs.statSync(target);
    const bytes = edit(fs.readFileSync(target));
    writeAll(fd, bytes);
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

/** A temporary file left by a crash is a minute old at least; then it is taken over. */
const STALE_AFTER = 60_000;

function openExclusively(path: string): number {
  const flags = fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY | fs.constants.O_NOFOLLOW;
  try {
    return fs.openSync(path, flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (Date.now() - fs.lstatSync(path).mtimeMs < STALE_AFTER) throw error;
    fs.unlinkSync(path);
    return fs.openSync(path, flags, 0o600);
  }
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
