import fs from "node:fs";
import { basename, dirname } from "node:path";
import { isRoot } from "../../process/effective_ids.ts";
import { errorCode } from "../../system_error.ts";
import { HeldFolder, holdFolder } from "./held_folder.ts";
import { isRootsAlone, mastersWay } from "./walk_rules.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = fs.constants;

/** Makes a folder that is missing; another that was quicker is as good, and judged like one. */
export function makeWithMode(mode: number): (folder: HeldFolder, name: string) => void {
  return (folder, name) => {
    try {
      fs.mkdirSync(folder.entry(name), mode);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
  };
}

/** How a folder of the master's own shall be. */
export interface OwnFolderOptions {
  readonly mode: number;
  /** Its group, when the master is root. */
  readonly gid?: number;
}

/**
 * Makes, or finds, a folder of the master's own, and holds it: root's stays in it whatever somebody who may write to the folder
 * above puts in its place. Throws the system's error, or says whose the folder is.
 */
export function ownFolder(path: string, { mode, gid }: OwnFolderOptions): HeldFolder {
  const [above, name] = [dirname(path), basename(path)];
  const parent = holdFolder(above, { mayUse: mastersWay(), make: makeWithMode(0o755) });
  try {
    makeWithMode(mode)(parent, name);
    const held = new HeldFolder(path, openFolder(parent, name, path));
    takeOver(held, { mode, gid });
    return held;
  } finally {
    parent.close();
  }
}

function openFolder(parent: HeldFolder, name: string, path: string): number {
  try {
    return fs.openSync(parent.entry(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch (error) {
    const isOther = ["ELOOP", "ENOTDIR"].includes(errorCode(error));
    throw isOther ? new Error(`${path} is a link or a file where a folder should be: remove it`) : error;
  }
}

function takeOver(held: HeldFolder, { mode, gid }: OwnFolderOptions): void {
  const stat = held.stat();
  try {
    if (isRoot() && stat.uid !== 0) {
      throw new Error(
        `${held.path} belongs to user id ${stat.uid}, not to root: remove it, or chown root ${held.path}`,
      );
    }
    if (isRoot() && gid !== undefined && stat.gid !== gid) fs.fchownSync(held.fd, 0, gid);
    if (stat.uid === process.geteuid!() && (stat.mode & 0o7777) !== mode) fs.fchmodSync(held.fd, mode);
  } catch (error) {
    held.close();
    throw error;
  }
}

/**
 * Makes, or finds, a folder that the operator names and others may have. Answers a warning when the master is root and somebody
 * else can change what is in it. Throws the system's error.
 */
export function needFolder(path: string, mode: number): string | undefined {
  const held = holdFolder(path, { mayUse: mastersWay(), make: makeWithMode(mode) });
  const stat = held.stat();
  held.close();
  if (!isRoot() || isRootsAlone(stat)) return undefined;
  const who = stat.uid === 0
    ? "may be written to by others than root"
    : `belongs to user id ${stat.uid}, not to root`;
  return `${path} ${who}, who can keep the mail system from working: chown root ${path}; chmod go-w ${path}`;
}

/**
 * Makes a folder of a user's, or finds it; one that nothing is in is given to the user. Answers whose it is when it
 * is somebody else's. Throws the system's error.
 */
export function giveFolder(
  path: string,
  { uid, gid }: { readonly uid: number; readonly gid: number },
  mode = 0o700,
): number | undefined {
  const held = holdFolder(path, { mayUse: mastersWay(uid), make: makeWithMode(mode) });
  const fd = held.readable();
  held.close();
  if (fd === undefined) throw new Error(`${path}: cannot be read`);
  try {
    const stat = fs.fstatSync(fd);
    // What workers keep here has names that are known: nobody else may put something under them.
    if ((stat.mode & 0o022) !== 0) fs.fchmodSync(fd, stat.mode & 0o7755);
    if (stat.uid === uid) return undefined;
    if (fs.readdirSync(`/proc/self/fd/${fd}`).length > 0) return stat.uid;
    fs.fchownSync(fd, uid, gid);
    return undefined;
  } finally {
    fs.closeSync(fd);
  }
}

/** How a folder shall be that a user shares with everybody. */
export interface SharedFolderOptions {
  /** Whose it is; undefined: the caller's, who is not root. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly mode: number;
}

/**
 * Makes a folder that everybody may put files into, or finds it, and gives it the owner, group and mode. Answers whose it is when it is
 * somebody else's and has something in it. Throws the system's error.
 */
export function shareFolder(path: string, { owner, mode }: SharedFolderOptions): number | undefined {
  const held = holdFolder(path, { mayUse: mastersWay(owner?.uid), make: makeWithMode(0o700) });
  const fd = held.readable();
  held.close();
  if (fd === undefined) throw new Error(`${path}: cannot be read`);
  const { uid, gid } = owner ?? { uid: process.geteuid!(), gid: process.getegid!() };
  try {
    const stat = fs.fstatSync(fd);
    if (stat.uid !== uid && fs.readdirSync(`/proc/self/fd/${fd}`).length > 0) return stat.uid;
    if (stat.uid !== uid || stat.gid !== gid) fs.fchownSync(fd, uid, gid);
    if ((stat.mode & 0o7777) !== mode) fs.fchmodSync(fd, mode);
    return undefined;
  } finally {
    fs.closeSync(fd);
  }
}

/** How a folder is: undefined when there is none, or when it cannot be looked at. */
export function folderState(
  path: string,
):
  | { readonly uid: number; readonly gid: number; readonly mode: number; readonly isFolder: boolean }
  | undefined {
  try {
    const stat = fs.lstatSync(path);
    return { uid: stat.uid, gid: stat.gid, mode: stat.mode & 0o7777, isFolder: stat.isDirectory() };
  } catch {
    return undefined;
  }
}
