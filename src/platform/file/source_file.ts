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
