import fs from "node:fs";
import { dirname } from "node:path";
import { tmpdir } from "node:os";
import { openNameless } from "./nameless_file.ts";
import { openAndUnlink } from "./scratch_file.ts";

/** Bytes that memory is too small for, at chosen places. Nobody else sees them, and nothing is left when the process ends. */
export interface ScratchSpace {
  /** Throws the system's error, a full disk among them. */
  write(bytes: Uint8Array, position: number): void;
  /** Reads up to `length` bytes, fewer at the end of what was written. */
  read(into: Uint8Array, position: number, length: number): number;
  close(): void;
}

/** Opens one beside a file that is to be made; where that folder may not be written, among the system's temporary files. */
export function openScratchSpace(path: string): ScratchSpace {
  const fd = openBeside(dirname(path));
  return {
    write(bytes, position) {
      for (let at = 0; at < bytes.length;) {
        at += fs.writeSync(fd, bytes, at, bytes.length - at, position + at);
      }
    },
    read(into, position, length) {
      let got = 0;
      while (got < length) {
        const n = fs.readSync(fd, into, got, length - got, position + got);
        if (n === 0) break;
        got += n;
      }
      return got;
    },
    close: () => fs.closeSync(fd),
  };
}

const NOT_OURS: ReadonlySet<string | undefined> = new Set(["EACCES", "EPERM", "EROFS"]);

function openBeside(folder: string): number {
  const nameless = openNameless(folder);
  if (nameless !== undefined) return nameless;
  try {
    return openAndUnlink(folder);
  } catch (error) {
    if (!NOT_OURS.has((error as NodeJS.ErrnoException).code)) throw error;
    return openNameless(tmpdir()) ?? openAndUnlink(tmpdir());
  }
}
