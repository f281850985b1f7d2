import { errno, libc, systemError } from "../../libc.ts";

const LOCK = { shared: 1, exclusive: 2 } as const;
const NO_WAIT = 4;
const EINTR = 4;
const EAGAIN = 11;

const open = () => libc({ flock: { args: ["i32", "i32"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;

/**
 * Takes a lock on an open file (flock(2)); it ends with the descriptor. False when another holder keeps it and `wait` is not set.
 * Throws the system's error where the file cannot be locked at all.
 */
export function flock(fd: number, kind: keyof typeof LOCK, { wait }: { readonly wait: boolean }): boolean {
  while ((calls ??= open()).flock(fd, LOCK[kind] | (wait ? 0 : NO_WAIT)) !== 0) {
    const why = errno();
    if (why === EAGAIN) return false;
    if (why !== EINTR) throw systemError("flock", why);
  }
  return true;
}
