import fs from "node:fs";
import { dirname } from "node:path";
import { flock } from "./lock/flock.ts";
import { waitForLock } from "./lock/record_lock.ts";
import { giveName, openNameless } from "./nameless_file.ts";

/** How a replaced file shall look when there was none before. */
export interface NewFile {
  /** Permission bits, whatever the umask says. */
  readonly mode: number;
  /** An existing file's mode and owner are kept unless this is false; then it is never written in place either. */
  readonly keepExisting?: boolean;
  /** Be written under its temporary name from the start, as where the system has no files without a name. */
  readonly named?: boolean;
}

/** A file that is being written and takes its name only when it is whole. */
export interface FileReplacement {
  write(bytes: Uint8Array, position: number): void;
  /** Makes it durable and gives it its name. */
  commit(): void;
  /** Leaves everything as it was. */
  abandon(): void;
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at, bytes.length - at, position + at);
}

/** The file behind symbolic links; the name itself when there is none yet. */
function realName(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch {
    return path;
  }
}

function existing(path: string): fs.Stats | undefined {
  return fs.statSync(path, { throwIfNoEntry: false });
}

/**
 * Begins to replace a file: another one, without a name where the system has such files, takes its place when whole, so that
 * readers see the old or the new one and a crash leaves the old one. Where the folder may not be written but the file may, it is rewritten in place
 * under its lock, as Postfix does. Throws the system's error.
 */
export function replaceFile(path: string, look: NewFile): FileReplacement {
  const target = realName(path);
  const before = existing(target);
  if (before !== undefined) fs.closeSync(fs.openSync(target, fs.constants.O_RDWR)); // may we?
  try {
    return beside(target, before, look);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const mayStay = before !== undefined && look.keepExisting !== false;
    if (!mayStay || (code !== "EACCES" && code !== "EPERM" && code !== "EROFS")) throw error;
    return inPlace(target);
  }
}

/** Opens the temporary file and locks it, until it is certain that nobody renamed it away meanwhile. */
function openLocked(name: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = fs.constants;
  for (;;) {
    const fd = fs.openSync(name, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    flock(fd, "exclusive", { wait: true });
    const named = existing(name);
    if (named !== undefined && named.ino === fs.fstatSync(fd).ino) return fd;
    fs.closeSync(fd);
  }
}

function beside(target: string, before: fs.Stats | undefined, look: NewFile): FileReplacement {
  const name = `${target}.tmp`;
  const nameless = look.named === true ? undefined : openNameless(dirname(target));
  const fd = nameless ?? openLocked(name);
  const abandon = () => {
    if (nameless === undefined) fs.unlinkSync(name);
    fs.closeSync(fd);
  };
  try {
    dress(fd, before, look);
  } catch (error) {
    abandon();
    throw error; // the owner cannot be kept this way
  }
  return {
    write: (bytes, position) => writeAll(fd, bytes, position),
    commit: () => {
      try {
        fs.fsyncSync(fd);
        if (nameless !== undefined) giveName(fd, name);
      } catch (error) {
        abandon();
        throw error;
      }
      takeOver(name, target);
      fs.closeSync(fd);
    },
    abandon,
  };
}

/** Gives the new file the mode and owner it shall have. */
function dress(fd: number, before: fs.Stats | undefined, look: NewFile): void {
  fs.ftruncateSync(fd, 0);
  const keep = before !== undefined && look.keepExisting !== false;
  if (keep && (before.uid !== process.geteuid!() || before.gid !== process.getegid!())) {
    fs.fchownSync(fd, before.uid, before.gid);
  }
  fs.fchmodSync(fd, keep ? before.mode & 0o7777 : look.mode);
}

function takeOver(name: string, target: string): void {
  try {
    fs.renameSync(name, target);
  } catch (error) {
    fs.unlinkSync(name);
    throw error;
  }
  syncFolder(dirname(target));
}

function syncFolder(path: string): void {
  try {
    const fd = fs.openSync(path, fs.constants.O_RDONLY);
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  } catch { /* a folder that may be written but not read: the rename is as durable as it gets */ }
}

/** Copies of the bytes wait in memory until they are complete: the old content is given up at the last moment. */
function inPlace(target: string): FileReplacement {
  const pieces: { readonly bytes: Uint8Array; readonly position: number }[] = [];
  return {
    write: (bytes, position) => void pieces.push({ bytes: new Uint8Array(bytes), position }),
    commit: () => {
      const fd = fs.openSync(target, fs.constants.O_RDWR);
      flock(fd, "exclusive", { wait: true });
      waitForLock(fd);
      fs.ftruncateSync(fd, 0);
      for (const { bytes, position } of pieces) writeAll(fd, bytes, position);
      fs.fdatasyncSync(fd);
      fs.closeSync(fd);
    },
    abandon: () => {},
  };
}
