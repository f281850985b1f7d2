import fs from "node:fs";

/** Sets a path's permission bits. */
export function setMode(path: string, mode: number): void {
  fs.chmodSync(path, mode);
}

/** Removes a file or socket; one that is not there is fine. */
export function removeIfThere(path: string): void {
  fs.rmSync(path, { force: true });
}

/** Makes a folder and its parents; answers whether it was not there before. */
export function makeFolder(path: string, mode: number): boolean {
  return fs.mkdirSync(path, { recursive: true, mode }) !== undefined;
}

/** Owner and mode of a path, or undefined when there is nothing. */
export function ownerOf(
  path: string,
): { readonly uid: number; readonly gid: number; readonly mode: number } | undefined {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : { uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o7777 };
}

/** Opens a file for appending, made with these permission bits; the descriptor is the caller's to close. */
export function openForAppending(path: string, mode: number): number {
  return fs.openSync(path, "a", mode);
}

/** Closes a descriptor. */
export function closeFile(fd: number): void {
  fs.closeSync(fd);
}

/** Whether anything is at the path. */
export function isThere(path: string): boolean {
  return fs.existsSync(path);
}

/** Whether a folder has nothing in it. */
export function isEmptyFolder(path: string): boolean {
  return fs.readdirSync(path).length === 0;
}
