import fs from "node:fs";
import { dirname } from "node:path";

/** A user and its only group. */
interface Reader {
  readonly uid: number;
  readonly gid: number;
}

/** Whether somebody other than root may read (4) or enter (1) a file by its permission bits. */
function may(stat: fs.Stats, { uid, gid }: Reader, bit: 1 | 4): boolean {
  const shift = stat.uid === uid ? 6 : stat.gid === gid ? 3 : 0;
  return ((stat.mode >> shift) & bit) !== 0;
}

function canRead(path: string, reader: Reader, stat: fs.Stats): boolean {
  if (!may(stat, reader, 4)) return false;
  for (let folder = dirname(path);; folder = dirname(folder)) {
    if (!may(fs.statSync(folder), reader, 1)) return false;
    if (folder === "/") return true;
  }
}

/**
 * The bytes of a plain file of at most so many, one a character, if `reader` cannot read it and we can; undefined otherwise.
 * Links are followed to see who may read what they lead to.
 */
export function bytesToLend(path: string, reader: Reader, most: number): string | undefined {
  try {
    const real = fs.realpathSync(path);
    const stat = fs.statSync(real);
    if (!stat.isFile() || stat.size > most || canRead(real, reader, stat)) return undefined;
    return fs.readFileSync(real, "latin1");
  } catch {
    return undefined; // who needs the file says what is wrong with it
  }
}
