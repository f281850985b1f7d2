import fs from "node:fs";

/** Who owns a file, and who may do what with it. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** Owner and permission bits of a file that can be opened; throws the system's error otherwise. */
export function sourceOwner(path: string): FileOwner {
  fs.closeSync(fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
  const { uid, gid, mode } = fs.statSync(path);
  return { uid, gid, mode };
}

/** Tells whether there is a file of that name. */
export function exists(path: string): boolean {
  return fs.statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Removes a plain file of no bytes; false when it is not that. */
export function removeIfEmpty(path: string): boolean {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile() || stat.size > 0) return false;
  try {
    fs.unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

/** A file that is read from its start to its end. */
export interface SourceFile {
  /** Its size, where it is a plain file. */
  readonly size: number | undefined;
  /** Puts what comes next into the buffer; answers how many bytes that are, 0 at the end. Throws the system's error. */
  read(into: Uint8Array): number;
  close(): void;
}

/** Opens a source; a folder reads as empty, as it does to Postfix's tools. Throws the system's error. */
export function openSourceFile(path: string): SourceFile {
  const fd = fs.openSync(path, fs.constants.O_RDONLY);
  const stat = fs.fstatSync(fd);
  return {
    size: stat.isFile() ? stat.size : undefined,
    read: (into) => stat.isDirectory() ? 0 : fs.readSync(fd, into, 0, into.length, null),
    close: () => fs.closeSync(fd),
  };
}
