import { dlopen, type FFIFunction, type Library, type Pointer, read, toArrayBuffer } from "bun:ffi";
import os from "node:os";

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

const openStrerror = () => libc({ strerror: { args: ["i32"], returns: "cstring" } });
let texts: ReturnType<typeof openStrerror> | undefined;

/** The system's words for an errno, as strerror(3) gives them. */
export function errnoText(number: number): string {
  return String((texts ??= openStrerror()).strerror(number));
}

/** The name of an errno: `ENOENT`. */
function errnoName(number: number): string {
  const found = Object.entries(os.constants.errno).find(([, value]) => value === number);
  return found?.[0] ?? `E${number}`;
}

/** An Error for a failed system call, with `code` and `errno` as the runtime's own have them. */
export function systemError(call: string, number: number = errno()): NodeJS.ErrnoException {
  return Object.assign(new Error(`${call}: ${errnoText(number)}`), {
    code: errnoName(number),
    errno: number,
    syscall: call,
  });
}
