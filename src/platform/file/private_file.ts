import fs from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a file that only its owner may read, durable, and never in the place of another; its folder too where there is none. Throws the
 * system's error.
 */
export function createPrivateFile(path: string, text: string): void {
  fs.mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants;
  const fd = fs.openSync(path, O_CREAT | O_EXCL | O_WRONLY, 0o600);
  try {
    fs.fchmodSync(fd, 0o600);
    fs.writeFileSync(fd, text);
    fs.fsyncSync(fd);
  } catch (error) {
    fs.rmSync(path, { force: true });
    throw error;
  } finally {
    fs.closeSync(fd);
  }
  const folder = fs.openSync(dirname(path), fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(folder);
  } finally {
    fs.closeSync(folder);
  }
}

/** Whether everybody on this machine may read a file; false where that cannot be told. */
export function isOpenToAll(path: string): boolean {
  try {
    return (fs.statSync(path).mode & 0o004) !== 0;
  } catch {
    return false;
  }
}
