import fs from "node:fs";
import { dirname } from "node:path";

const OTHERS_READ = 0o004;
const OTHERS_ENTER = 0o001;

/** Whether every user of this machine may read a file: by its own permission bits, and those of all folders on the way to it. */
export function isReadableByOthers(path: string): boolean {
  try {
    const real = fs.realpathSync(path);
    if ((fs.statSync(real).mode & OTHERS_READ) === 0) return false;
    for (let folder = dirname(real);; folder = dirname(folder)) {
      if ((fs.statSync(folder).mode & OTHERS_ENTER) === 0) return false;
      if (folder === "/") return true;
    }
  } catch {
    return false;
  }
}
