import { isIPv6 } from "node:net";
import { libc, systemError } from "../libc.ts";
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_STREAM, sockaddr } from "./sockaddr.ts";

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

const open = () =>
  libc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    listen: { args: ["i32", "i32"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
  });
let calls: ReturnType<typeof open> | undefined;

/** Where a listening socket is bound. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/**
 * A listening TCP socket that this process never accepts from: it is there to be inherited. Several `shared` ones for one
 * address share its connections evenly (SO_REUSEPORT); one that is not is refused where anybody listens already. Throws the
 * system's error (EADDRINUSE, EACCES, ...).
 */
export function openListeningSocket(at: SocketAddress, backlog: number, shared = true): number {
  calls ??= open();
  const v6 = isIPv6(at.address);
  const fd = calls.socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError("socket");
  try {
    const on = new Int32Array([1]);
    const set = (level: number, option: number) => {
      if (calls!.setsockopt(fd, level, option, on, 4) < 0) throw systemError("setsockopt");
    };
    set(SOL_SOCKET, SO_REUSEADDR);
    if (shared) set(SOL_SOCKET, SO_REUSEPORT);
    if (v6) set(IPPROTO_IPV6, IPV6_V6ONLY);
    const name = sockaddr(at.address, at.port);
    if (calls.bind(fd, name, name.length) < 0) throw systemError("bind");
    if (calls.listen(fd, backlog) < 0) throw systemError("listen");
    return fd;
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

/** Closes a descriptor of `openListeningSocket`. */
export function closeDescriptor(fd: number): void {
  (calls ??= open()).close(fd);
}
