import { dlopen, type FFIFunction, type Library, type Pointer, read, toArrayBuffer } from "bun:ffi";

/** Where the C library may be: glibc, then musl by its usual names. */
const CANDIDATES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"];

/**
 * Opens the C library with the functions that a file needs: `libc({ flock: { args: ["i32", "i32"], returns: "i32" } })`.
 * Throws where there is none or where the runtime may not make machine code (systemd's MemoryDenyWriteExecute).
 */
export function libc<Symbols extends Record<string, FFIFunction>>(
  symbols: Symbols,
): Library<Symbols>["symbols"] {
  let why: unknown;
  for (const name of CANDIDATES) {
    try {
      return dlopen(name, symbols).symbols;
    } catch (error) {
      why ??= error;
    }
  }
  throw new Error("Cannot call the system's C library (bun:ffi)", { cause: why });
}

const open = () => libc({ __errno_location: { args: [], returns: "ptr" } });
let own: ReturnType<typeof open> | undefined;

function errnoPointer(): Pointer {
  const at = (own ??= open()).__errno_location();
  if (at === null) throw new Error("No errno");
  return at as Pointer;
}

/** errno of the last call of this thread: ask at once after the call. */
export function errno(): number {
  return read.i32(errnoPointer(), 0);
}

/** Sets errno to 0, for calls that tell an error from "not there" only by it. */
export function clearErrno(): void {
  new Int32Array(toArrayBuffer(errnoPointer(), 0, 4))[0] = 0;
}

const NAMES: Readonly<Record<number, readonly [code: string, text: string]>> = {
  1: ["EPERM", "Operation not permitted"],
  2: ["ENOENT", "No such file or directory"],
  4: ["EINTR", "Interrupted system call"],
  5: ["EIO", "Input/output error"],
  9: ["EBADF", "Bad file descriptor"],
  10: ["ECHILD", "No child processes"],
  11: ["EAGAIN", "Resource temporarily unavailable"],
  12: ["ENOMEM", "Cannot allocate memory"],
  13: ["EACCES", "Permission denied"],
  20: ["ENOTDIR", "Not a directory"],
  21: ["EISDIR", "Is a directory"],
  22: ["EINVAL", "Invalid argument"],
  23: ["ENFILE", "Too many open files in system"],
  24: ["EMFILE", "Too many open files"],
  27: ["EFBIG", "File too large"],
  28: ["ENOSPC", "No space left on device"],
  29: ["ESPIPE", "Illegal seek"],
  30: ["EROFS", "Read-only file system"],
  36: ["ENAMETOOLONG", "File name too long"],
  40: ["ELOOP", "Too many levels of symbolic links"],
  90: ["EMSGSIZE", "Message too long"],
  97: ["EAFNOSUPPORT", "Address family not supported by protocol"],
  98: ["EADDRINUSE", "Address already in use"],
  99: ["EADDRNOTAVAIL", "Cannot assign requested address"],
  105: ["ENOBUFS", "No buffer space available"],
  107: ["ENOTCONN", "Transport endpoint is not connected"],
  111: ["ECONNREFUSED", "Connection refused"],
  116: ["ESTALE", "Stale file handle"],
};

/** The system's words for an errno, as strerror(3) gives them. */
export function errnoText(number: number): string {
  return NAMES[number]?.[1] ?? `error ${number}`;
}

/** An Error for a failed system call, with `code` and `errno` as the runtime's own have them. */
export function systemError(call: string, number: number = errno()): NodeJS.ErrnoException {
  const code = NAMES[number]?.[0] ?? `E${number}`;
  return Object.assign(new Error(`${call}: ${errnoText(number)}`), { code, errno: number, syscall: call });
}
