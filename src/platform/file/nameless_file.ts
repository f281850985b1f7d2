import fs from "node:fs";
import { flock } from "./lock/flock.ts";
import { errno, libc, systemError } from "../libc.ts";

/** open(2)'s O_TMPFILE, which the runtime does not name. */
const O_TMPFILE = 0x400000 | fs.constants.O_DIRECTORY;
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const EEXIST = 17;

const open = () => libc({ linkat: { args: ["i32", "cstring", "i32", "cstring", "i32"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;

const cString = (text: string) => Buffer.from(`${text}\0`);

/**
 * Opens a file that has no name yet, in a folder of the file system it shall stay in, and locks it: whatever ends this process
 * leaves nothing of it. Undefined where the system has no such files.
 */
export function openNameless(folder: string): number | undefined {
  let fd: number;
  try {
    fd = fs.openSync(folder, O_TMPFILE | fs.constants.O_RDWR, 0o600);
  } catch {
    return undefined; // what is wrong with the folder itself shows when a named file is tried
  }
  if (!fs.existsSync(`/proc/self/fd/${fd}`)) { // only there it can be given a name
    fs.closeSync(fd);
    return undefined;
  }
  flock(fd, "exclusive", { wait: true });
  return fd;
}

/** Gives the file a name. What has that name, left behind by a program that was killed, is removed once nobody has it locked. */
export function giveName(fd: number, name: string): void {
  const c = calls ??= open();
  const own = cString(`/proc/self/fd/${fd}`);
  while (c.linkat(AT_FDCWD, own, AT_FDCWD, cString(name), AT_SYMLINK_FOLLOW) !== 0) {
    const why = errno();
    if (why !== EEXIST) throw systemError("link", why);
    removeWhenUnlocked(name);
  }
}

function removeWhenUnlocked(name: string): void {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = fs.constants;
  let fd: number;
  try {
    fd = fs.openSync(name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  try {
    flock(fd, "exclusive", { wait: true });
    const named = fs.statSync(name, { throwIfNoEntry: false });
    if (named !== undefined && named.ino === fs.fstatSync(fd).ino) fs.unlinkSync(name);
  } finally {
    fs.closeSync(fd);
  }
}
