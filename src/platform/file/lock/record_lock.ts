import { flock } from "./flock.ts";
import { errno, libc, systemError } from "../../libc.ts";

const F_SETLK = 6;
const F_SETLKW = 7;
const F_WRLCK = 1;
const SEEK_SET = 0;
const [EINTR, EAGAIN, EACCES] = [4, 11, 13];

const open = () => libc({ fcntl: { args: ["i32", "i32", "ptr"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;

/** struct flock on 64-bit Linux: l_type, l_whence, padding, l_start, l_len (0 = to the end), l_pid. */
function wholeFile(): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, F_WRLCK, true);
  view.setInt16(2, SEEK_SET, true);
  return bytes;
}

/**
 * Tries to take an exclusive lock on a whole open file, by fcntl(2) or flock(2), without waiting; false when another has it.
 * An fcntl lock keeps other processes out only; it ends when the process closes any descriptor of the file.
 */
export function tryLock(fd: number, how: "fcntl" | "flock"): boolean {
  if (how === "flock") return flock(fd, "exclusive", { wait: false });
  while ((calls ??= open()).fcntl(fd, F_SETLK, wholeFile()) !== 0) {
    const why = errno();
    if (why === EAGAIN || why === EACCES) return false;
    if (why !== EINTR) throw systemError(how, why);
  }
  return true;
}

/** Takes an exclusive fcntl(2) lock on a whole open file, waiting for other holders: real readers of .lmdb files hold one for each lookup. */
export function waitForLock(fd: number): void {
  const c = calls ??= open();
  while (c.fcntl(fd, F_SETLKW, wholeFile()) !== 0) {
    const why = errno();
    if (why !== EINTR) throw systemError("fcntl", why);
  }
}
