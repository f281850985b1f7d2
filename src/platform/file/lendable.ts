import fs from "node:fs";
import { dirname } from "node:path";
import { walkTo } from "./folder/held_folder.ts";
import { outOfReachOf, type Reader } from "./folder/walk_rules.ts";

/** Whether somebody other than root may read (4), write (2) or enter (1) a file by its permission bits. */
function may(stat: fs.Stats, { uid, gid }: Reader, bit: 1 | 2 | 4): boolean {
  const shift = stat.uid === uid ? 6 : stat.gid === gid ? 3 : 0;
  return ((stat.mode >> shift) & bit) !== 0;
}

function canRead(path: string, reader: Reader): boolean {
  const real = fs.realpathSync(path);
  if (!may(fs.statSync(real), reader, 4)) return false;
  for (let folder = dirname(real);; folder = dirname(folder)) {
    if (!may(fs.statSync(folder), reader, 1)) return false;
    if (folder === "/") return true;
  }
}

/** Whether `reader` can neither write a file nor put another in its place; false where there is none. */
export function isOutOfReach(path: string, reader: Reader): boolean {
  try {
    const held = walkTo(path, { mayUse: outOfReachOf(reader) });
    try {
      const stat = held.stat();
      return stat.uid !== reader.uid && !may(stat, reader, 2);
    } finally {
      held.close();
    }
  } catch {
    return false;
  }
}

/**
 * The bytes of a plain file of at most so many, one a character, if `reader` cannot read it and we can; undefined otherwise.
 * Nothing on the way to it is the reader's to change: through a link of his he would read any file.
 */
export function bytesToLend(path: string, reader: Reader, most: number): string | undefined {
  try {
    return canRead(path, reader) ? undefined : read(path, reader, most);
  } catch {
    return undefined; // who needs the file says what is wrong with it
  }
}

function read(path: string, reader: Reader, most: number): string | undefined {
  const held = walkTo(path, { mayUse: outOfReachOf(reader) });
  try {
    const { size } = held.stat();
    if (!held.stat().isFile() || size > most) return undefined;
    const fd = held.open(fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    try {
      return fs.readFileSync(fd, "latin1");
    } finally {
      fs.closeSync(fd);
    }
  } finally {
    held.close();
  }
}
