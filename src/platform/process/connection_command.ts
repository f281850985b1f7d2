import { ptr } from "bun:ffi";
import fs from "node:fs";
import { constants } from "node:os";
import { errno, libc, systemError } from "../libc.ts";

const POLLIN = 1;
const [EINTR, EAGAIN, ECONNABORTED] = [4, 11, 103];
const [F_GETFL, F_SETFL, F_SETFD, O_NONBLOCK, FD_CLOEXEC] = [3, 4, 2, 0o4000, 1];
const SIG_IGN = 1n;
const SIG_SETMASK = 2;

const open = () =>
  libc({
    accept: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    dup2: { args: ["i32", "i32"], returns: "i32" },
    execvp: { args: ["cstring", "ptr"], returns: "i32" },
    fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
    poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
    pthread_sigmask: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    setsid: { args: [], returns: "i32" },
    signal: { args: ["i32", "u64"], returns: "u64" },
    umask: { args: ["u32"], returns: "u32" },
  });
let calls: ReturnType<typeof open> | undefined;

/**
 * Waits for a connection to one of the listening sockets and answers its descriptor, in blocking mode; undefined when there is something
 * to read at `until`, or its other end is closed. The thread does nothing else meanwhile. Throws the system's error.
 */
export function awaitConnection(listeners: readonly number[], until: number): number | undefined {
  const c = calls ??= open();
  // Somebody else may take what poll(2) has seen.
  for (const fd of listeners) c.fcntl(fd, F_SETFL, c.fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
  const watched = new Int16Array(4 * (listeners.length + 1));
  const numbers = new Int32Array(watched.buffer);
  while (true) {
    [until, ...listeners].forEach((fd, at) => {
      numbers[2 * at] = fd;
      watched.set([POLLIN, 0], 4 * at + 2);
    });
    if (c.poll(watched, BigInt(listeners.length + 1), -1) < 0) {
      const number = errno();
      if (number !== EINTR) throw systemError("poll", number);
      continue;
    }
    if (watched[3] !== 0) return undefined;
    for (const [at, listener] of listeners.entries()) {
      if (watched[4 * (at + 1) + 3] === 0) continue;
      const fd = c.accept(listener, null, null);
      if (fd >= 0) return fd;
      const number = errno();
      if (![EINTR, EAGAIN, ECONNABORTED].includes(number)) throw systemError("accept", number);
    }
  }
}

/**
 * Turns this process into a command that has the connection as standard input, output and error, and none of our other descriptors, in
 * a session of its own, as spawn(8) runs it. Returns the errno only when the program cannot be run.
 */
export function becomeConnectionCommand(
  connection: number,
  argv: readonly string[],
  directory: string,
): number {
  const c = calls ??= open();
  process.chdir(directory);
  c.setsid();
  c.umask(0o077);
  for (const fd of [0, 1, 2]) c.dup2(connection, fd);
  for (const name of fs.readdirSync("/proc/self/fd")) {
    if (Number(name) > 2) c.fcntl(Number(name), F_SETFD, FD_CLOEXEC);
  }
  // What a handler was there for is back to its default after execve(2); these two are ignored in Postfix's processes.
  for (const name of ["SIGPIPE", "SIGXFSZ"] as const) c.signal(constants.signals[name], SIG_IGN);
  c.pthread_sigmask(SIG_SETMASK, new Uint8Array(128), null);
  const words = argv.map((word) => Buffer.from(`${word}\0`));
  const pointers = new BigUint64Array([...words.map((word) => BigInt(ptr(word))), 0n]);
  c.execvp(words[0]!, pointers);
  return errno();
}
