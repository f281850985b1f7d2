// A descriptor of another process, for tests that act as a process that was taken over.
import { dlopen } from "bun:ffi";

const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;

/** A copy of another process's descriptor (pidfd_getfd(2)); undefined where the system does not allow it. */
export function copyDescriptor(pid: number, fd: number): number | undefined {
  const { symbols } = dlopen("libc.so.6", {
    syscall: { args: ["i64", "i64", "i64", "i64"], returns: "i64" },
  });
  const process = Number(symbols.syscall(PIDFD_OPEN, pid, 0, 0));
  if (process < 0) return undefined;
  const copy = Number(symbols.syscall(PIDFD_GETFD, process, fd, 0));
  return copy < 0 ? undefined : copy;
}
