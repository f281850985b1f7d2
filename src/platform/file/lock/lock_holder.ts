import fs from "node:fs";
import { basename, dirname } from "node:path";
import { flock } from "./flock.ts";
import { type HeldFolder, holdFolder } from "../folder/held_folder.ts";
import { readPid } from "./pid_lock.ts";
import { mastersWay } from "../folder/walk_rules.ts";

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;

/**
 * The process that holds a pid file's lock, or undefined when nobody does: a number left by a dead process does not count. 0
 * when it is not told, or when the file is in another user's folder and names a process that is not that user's: whoever is asked
 * to stop the service signals nobody else's. Throws EACCES where the file is not ours to read.
 */
export function lockHolder(path: string): number | undefined {
  let folder: HeldFolder | undefined;
  let fd: number | undefined;
  try {
    folder = holdFolder(dirname(path), { mayUse: mastersWay() });
    fd = fs.openSync(folder.entry(basename(path)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (flock(fd, "exclusive", { wait: false })) return undefined;
    const pid = readPid(fd);
    const owner = folder.stat().uid;
    return owner === 0 || ownerOf(pid) === owner ? pid : 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  } finally {
    folder?.close();
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** The real user id of a process (proc(5)); undefined when there is no such process. */
function ownerOf(pid: number): number | undefined {
  try {
    const uid = /^Uid:\t(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return uid === undefined ? undefined : Number(uid);
  } catch {
    return undefined;
  }
}
