import { libc, systemError } from "../libc.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
/** Longest path of a unix socket, without its NUL. */
const PATH_LIMIT = 107;

const open = () =>
  libc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    listen: { args: ["i32", "i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
    umask: { args: ["u32"], returns: "u32" },
  });
let calls: ReturnType<typeof open> | undefined;

/**
 * A listening unix socket to be inherited, made with these permission bits: a chmod afterwards could meet another file of that
 * name. Throws the system's error.
 */
export function openUnixListener(path: string, mode: number, backlog: number): number {
  const c = calls ??= open();
  const bytes = Buffer.from(path);
  if (bytes.length > PATH_LIMIT) {
    throw new Error(`${path}: too long for a socket (${PATH_LIMIT} bytes at most)`);
  }
  const address = new Uint8Array(110);
  address[0] = AF_UNIX;
  address.set(bytes, 2);
  const fd = c.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError("socket");
  const mask = c.umask(0o777 & ~mode);
  const bound = c.bind(fd, address, 2 + bytes.length + 1) === 0;
  const failure = bound ? undefined : systemError("bind");
  c.umask(mask);
  if (failure === undefined && c.listen(fd, backlog) === 0) return fd;
  const error = failure ?? systemError("listen");
  c.close(fd);
  throw error;
}
