import fs from "node:fs";
import { join } from "node:path";

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants;

/** A new file of the caller's, in a folder that he may write to and not list. Everything throws the system's error. */
export interface NewFile {
  /** Adds all of the bytes. */
  write(bytes: Uint8Array): void;
  /** Gives it new times, as a write does, if that can be. */
  touch(): void;
  /** Gives it that mode, whatever the umask is, and resolves the matter with the disk: content, mode and name are durable after it. ESTALE where somebody has taken it away. */
  finish(mode: number): void;
  /** Takes it away again, as long as it is not finished. */
  discard(): void;
}

/** Makes a file that is not there, of that mode. */
export function makeNewFile(folder: string, name: string, mode: number): NewFile {
  const path = join(folder, name);
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  let isOver = false;
  const end = (last: () => void) => {
    if (isOver) return;
    isOver = true;
    try {
      last();
    } finally {
      fs.closeSync(fd);
    }
  };
  return {
    write(bytes) {
      for (let done = 0; done < bytes.length;) {
        const wrote = fs.writeSync(fd, bytes, done);
        if (wrote <= 0) throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
        done += wrote;
      }
    },
    touch() {
      if (isOver) return;
      try {
        fs.futimesSync(fd, new Date(), new Date());
      } catch { /* what is wrong shows when it is written to */ }
    },
    finish: (whole) =>
      end(() => {
        try {
          const named = fs.lstatSync(path, { throwIfNoEntry: false });
          if (named?.ino !== fs.fstatSync(fd).ino) {
            throw Object.assign(new Error("ESTALE: stale file handle"), { code: "ESTALE" });
          }
          fs.fchmodSync(fd, whole);
          // A file system syncs the entry of a file that is new with it (ext4, xfs, btrfs): its folder cannot be opened here.
          fs.fsyncSync(fd);
        } catch (error) {
          fs.rmSync(path, { force: true });
          throw error;
        }
      }),
    discard: () => end(() => fs.rmSync(path, { force: true })),
  };
}
