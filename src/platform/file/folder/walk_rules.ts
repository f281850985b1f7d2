import type fs from "node:fs";
import { isRoot } from "../../process/effective_ids.ts";
import type { Walk } from "./held_folder.ts";

type Rule = Walk["mayUse"];

const STICKY = 0o1000;
const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;

/**
 * For deliveries with a user's rights: in a folder that everybody may write to, only what is root's, the user's or the folder's
 * owner's is followed and entered, as anybody can put a link or a folder there (what proc(5)'s protected_symlinks does for links,
 * whatever it is set to, and for folders too).
 */
export function usersWay(uid: number): Rule {
  return (found, folder) => {
    if ((folder.mode & OTHERS_WRITE) === 0) return true;
    return found.uid === 0 || found.uid === uid || found.uid === folder.uid;
  };
}

/** Whether nobody but root can put something into a folder. */
export function isRootsAlone({ uid, mode }: fs.Stats): boolean {
  return uid === 0 && (mode & (OTHERS_WRITE | GROUP_WRITES)) === 0;
}

/**
 * For what master does with its own rights: a link counts only where nobody but root can put one. `uid`: whose folders count too
 * where everybody may write. A master that is not root has no rights that somebody could borrow.
 */
export function mastersWay(uid = 0): Rule {
  if (!isRoot()) return () => true;
  const ours = usersWay(uid);
  return (found, folder) => found.isSymbolicLink() ? isRootsAlone(folder) : ours(found, folder);
}

/** A user and its only group. */
export interface Reader {
  readonly uid: number;
  readonly gid: number;
}

/** For what is read with root's rights on a user's behalf: nothing on the way is the user's to change. */
export function outOfReachOf({ uid, gid }: Reader): Rule {
  return (found, folder) => {
    if (folder.uid === uid) return false;
    const writes = folder.gid === gid ? GROUP_WRITES : OTHERS_WRITE;
    if ((folder.mode & writes) === 0) return true;
    return (folder.mode & STICKY) !== 0 && found.uid !== uid;
  };
}
