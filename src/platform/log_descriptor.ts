import fs from "node:fs";
import { libc, systemError } from "./libc.ts";
import { errorCode } from "./system_error.ts";
import { writeFully } from "./process/this_process.ts";

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const POLLOUT = 4;
const POLLERR = 8;

const open = () =>
  libc({
    send: { args: ["i32", "ptr", "usize", "i32"], returns: "i64" },
    poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  });
let calls: ReturnType<typeof open> | undefined;

/** Where lines of the log are written to. */
export interface LogSink {
  /** So many bytes at a time are not torn apart by another process's. */
  readonly whole: number;
  /** Writes what is taken without a wait; answers how many bytes that were, and undefined when they are lost. */
  write(bytes: Uint8Array): number | undefined;
}

/**
 * A descriptor of its own for a pipe or terminal that somebody else may have open too, on which writing never waits for the reader:
 * that is a property of the open file, which we must not change for the others. The same descriptor where there is no other to be had.
 */
export function openUnhurried(fd: number): number {
  const stat = fs.fstatSync(fd);
  if (!stat.isFIFO() && !stat.isCharacterDevice()) return fd;
  try {
    return fs.openSync(
      `/proc/self/fd/${fd}`,
      fs.constants.O_WRONLY | fs.constants.O_NONBLOCK | fs.constants.O_NOCTTY,
    );
  } catch {
    return fd;
  }
}

/** A write of a pipe up to this many bytes is not torn apart by another process's (pipe(7)). */
const PIPE_ATOMIC = 4096;
/** To a file opened for appending. */
const FILE_PIECE = 32 * 1024;

/** A descriptor as a sink. A file takes everything; a pipe, terminal or socket as much as its reader has left room for. */
export function descriptorSink(fd: number): LogSink {
  const stat = fs.fstatSync(fd);
  if (stat.isFile()) {
    return {
      whole: FILE_PIECE,
      write: (bytes) => orLost(() => (writeFully(fd, bytes), bytes.length)),
    };
  }
  if (stat.isSocket()) return { whole: PIPE_ATOMIC, write: (bytes) => orLost(() => sendTo(fd, bytes)) };
  return { whole: PIPE_ATOMIC, write: (bytes) => orLost(() => hasRoom(fd) ? fs.writeSync(fd, bytes) : 0) };
}

function orLost(write: () => number): number | undefined {
  try {
    return write();
  } catch (error) {
    return errorCode(error) === "EAGAIN" ? 0 : undefined;
  }
}

/** By poll(2), for the descriptor on which a write would wait. */
function hasRoom(fd: number): boolean {
  const asked = new Int32Array([fd, POLLOUT]);
  if ((calls ??= open()).poll(asked, 1n, 0) <= 0) return false;
  return ((asked[1]! >> 16) & (POLLOUT | POLLERR)) !== 0;
}

function sendTo(fd: number, bytes: Uint8Array): number {
  const sent = Number((calls ??= open()).send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent < 0) throw systemError("send");
  return sent;
}
