import fs from "node:fs";
import { openNameless } from "./nameless_file.ts";
import { readOnce } from "./read_at.ts";

const PIECE = 65_536;

/** Bytes that are kept for a moment: written once, then read once. Nobody else sees them, and nothing is left when the process ends. */
export interface ScratchFile {
  /** Adds bytes; rejects with the system's error. One at a time. */
  write(bytes: Buffer): Promise<void>;
  /** All that was written, in pieces of bounded size; rejects with the system's error. */
  pieces(): AsyncIterable<Buffer>;
  close(): void;
}

/** Opens one on the file system of a folder; throws the system's error. */
export function openScratchFile(folder: string): ScratchFile {
  const fd = openNameless(folder) ?? openAndUnlink(folder);
  let closing = false;
  let busy = false;
  // The number must not be given to another file while the system still works on this one.
  const working = async <T>(work: Promise<T>): Promise<T> => {
    busy = true;
    try {
      return await work;
    } finally {
      busy = false;
      if (closing) fs.closeSync(fd);
    }
  };
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length && !closing;) at += await working(writeSome(fd, bytes, at));
    },
    async *pieces() {
      for (let at = 0; !closing;) {
        const piece = Buffer.allocUnsafe(PIECE);
        const got = await working(readOnce(fd, piece, at));
        if (got === 0) return;
        at += got;
        yield piece.subarray(0, got);
      }
    },
    close() {
      if (closing) return;
      closing = true;
      if (!busy) fs.closeSync(fd);
    },
  };
}

/** Opens a file that loses its name at once, where the system has no files without one. */
export function openAndUnlink(folder: string): number {
  const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
  const name = `${folder}/scratch-${process.pid}-${crypto.randomUUID()}`;
  const fd = fs.openSync(name, O_RDWR | O_CREAT | O_EXCL, 0o600);
  fs.unlinkSync(name);
  return fd;
}

function writeSome(fd: number, bytes: Buffer, at: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.write(fd, bytes, at, bytes.length - at, null, (error, count) => error ? reject(error) : resolve(count))
  );
}
