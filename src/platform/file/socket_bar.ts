import fs from "node:fs";
import { dirname } from "node:path";
import type { Reader } from "./folder/walk_rules.ts";

/** What keeps a user from a socket: it, or a folder on the way to it. */
export interface SocketBar {
  readonly path: string;
  /** `0710`. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
}

/** A user without rights of root, and without other groups, opens a socket that he may write to, in folders that he may enter. */
function may(stat: fs.Stats, { uid, gid }: Reader, bit: 1 | 2): boolean {
  const shift = stat.uid === uid ? 6 : stat.gid === gid ? 3 : 0;
  return ((stat.mode >> shift) & bit) !== 0;
}

/** What keeps him from it by its permission bits; undefined where nothing does, and where there is no such socket. */
export function socketBar(path: string, user: Reader): SocketBar | undefined {
  try {
    const real = fs.realpathSync(path);
    let bar = may(fs.statSync(real), user, 2) ? undefined : real;
    for (let folder = dirname(real);; folder = dirname(folder)) {
      if (!may(fs.statSync(folder), user, 1)) bar = folder;
      if (folder === "/") break;
    }
    if (bar === undefined) return undefined;
    const { mode, uid, gid } = fs.statSync(bar);
    return { path: bar, mode: (mode & 0o7777).toString(8).padStart(4, "0"), uid, gid };
  } catch {
    return undefined; // who opens it says what is wrong with it
  }
}
