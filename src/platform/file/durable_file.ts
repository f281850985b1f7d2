import fs from "node:fs";
import { dirname } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";
import { libc, systemError } from "../libc.ts";
import { readFully } from "./read_at.ts";
import { lockFile } from "./lock/pid_lock.ts";

const IOV_MAX = 1024;

/** The buffers that remain after `written` bytes. */
function rest(buffers: readonly Uint8Array[], written: number): Uint8Array[] {
  let at = 0;
  while (at < buffers.length && written >= buffers[at]!.length) written -= buffers[at++]!.length;
  const left = buffers.slice(at);
  if (written > 0) left[0] = left[0]!.subarray(written);
  return left;
}

function length(buffers: readonly Uint8Array[]): number {
  let sum = 0;
  for (const buffer of buffers) sum += buffer.length;
  return sum;
}

/** A write that makes no progress would loop for ever: it is the sign of a full disk on some file systems. */
function stuck(): NodeJS.ErrnoException {
  return Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
}

function writeAll(fd: number, buffers: readonly Uint8Array[], position: number): void {
  const total = length(buffers);
  let left: readonly Uint8Array[] = buffers;
  for (let done = 0; done < total;) {
    const wrote = fs.writevSync(fd, left.length > IOV_MAX ? left.slice(0, IOV_MAX) : left, position + done);
    if (wrote <= 0) throw stuck();
    done += wrote;
    if (done < total) left = rest(left, wrote);
  }
}

function writevLater(fd: number, buffers: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, buffers, position, (error, wrote) => error === null ? resolve(wrote) : reject(error));
  });
}

async function writeAllLater(fd: number, buffers: readonly Uint8Array[], position: number): Promise<void> {
  const total = length(buffers);
  let left: readonly Uint8Array[] = buffers;
  for (let done = 0; done < total;) {
    const wrote = await writevLater(
      fd,
      left.length > IOV_MAX ? left.slice(0, IOV_MAX) : left,
      position + done,
    );
    if (wrote <= 0) throw stuck();
    done += wrote;
    if (done < total) left = rest(left, wrote);
  }
}

function syncFd(fd: number, how: "fsync" | "fdatasync"): Promise<void> {
  return new Promise((resolve, reject) => {
    fs[how](fd, (error) => error === null || error === undefined ? resolve() : reject(error));
  });
}

const NO_SPACE: ReadonlySet<number> = new Set([28, 122]); // ENOSPC, EDQUOT

/** posix_fallocate(3): false where C library or file system has none; throws when there is no space. */
const reserve = (() => {
  let call: ((fd: number, at: number, length: number) => number) | undefined;
  return (fd: number, at: number, size: number): boolean => {
    try {
      call ??= libc({ posix_fallocate: { args: ["int", "i64", "i64"], returns: "int" } }).posix_fallocate;
    } catch {
      return false;
    }
    const failed = call(fd, at, size);
    if (NO_SPACE.has(failed)) throw systemError("posix_fallocate", 28);
    return failed === 0;
  };
})();

function openFile(path: string, flags: number): DiskFile {
  const fd = fs.openSync(path, flags, 0o600);
  return {
    write: (buffers, position) => writeAll(fd, buffers, position),
    writeLater: (buffers, position) => writeAllLater(fd, buffers, position),
    read: (into, position) => readFully(fd, into, position),
    sync: () => syncFd(fd, "fdatasync"),
    syncNow: () => fs.fdatasyncSync(fd),
    preallocate: (position, size) => reserve(fd, position, size),
    truncate: (size) => fs.ftruncateSync(fd, size),
    size: () => fs.fstatSync(fd).size,
    identity: () => printIdentity(fs.fstatSync(fd)),
    close: () => fs.closeSync(fd),
  };
}

async function syncDirectory(path: string): Promise<void> {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    await syncFd(fd, "fsync");
  } finally {
    fs.closeSync(fd);
  }
}

function syncDirectoryNow(path: string): void {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function makeDirectory(path: string): void {
  if (fs.existsSync(path)) return;
  makeDirectory(dirname(path));
  try {
    fs.mkdirSync(path, 0o700);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  syncDirectoryNow(dirname(path));
}

function list(path: string): string[] {
  try {
    return fs.readdirSync(path).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function printIdentity({ dev, ino }: fs.Stats): string {
  return `${dev}:${ino}`;
}

function identity(path: string): string | undefined {
  const stats = fs.statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? undefined : printIdentity(stats);
}

function freeBytes(path: string): number {
  const { bavail, bsize } = fs.statfsSync(path);
  return bavail * bsize;
}

/** The system's own disk, by node:fs (the runtime's file writers hide a full disk). */
export const systemDisk: Disk = {
  create: (path) => openFile(path, fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL),
  open: (path, mode) => openFile(path, mode === "read" ? fs.constants.O_RDONLY : fs.constants.O_RDWR),
  syncDirectory,
  makeDirectory,
  list,
  exists: (path) => fs.existsSync(path),
  identity,
  unlink: (path) => fs.unlinkSync(path),
  unlinkLater: (path) =>
    new Promise((resolve, reject) => fs.unlink(path, (error) => error === null ? resolve() : reject(error))),
  rename: (from, to) => fs.renameSync(from, to),
  link: (from, to) => fs.linkSync(from, to),
  freeBytes,
  lock: lockFile,
};
