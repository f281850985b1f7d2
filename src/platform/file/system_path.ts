import fs from "node:fs";

/** Closes a descriptor. */
export function closeFile(fd: number): void {
  fs.closeSync(fd);
}

/** Whether anything is at the path. */
export function isThere(path: string): boolean {
  return fs.existsSync(path);
}
