import fs from "node:fs";

/**
 * Makes an empty file where there is none, with its mode whatever the umask says, and its owner where one is given. Throws the system's
 * error.
 */
export function createEmptyFile(
  path: string,
  mode: number,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): void {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw error;
  }
  try {
    if (owner !== undefined) fs.fchownSync(fd, owner.uid, owner.gid);
    fs.fchmodSync(fd, mode);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
