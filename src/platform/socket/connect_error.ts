import { isIP, isIPv6 } from "node:net";
import { errno, libc, systemError } from "../libc.ts";
import { errorCode } from "../system_error.ts";
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_STREAM, sockaddr } from "./sockaddr.ts";

const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const POLLOUT = 4;
const EINPROGRESS = 115;
/** How often a connection under way is looked at, and how long, in milliseconds. A neighbour that is silent is given up after 3 s. */
const INTERVAL = 20;
const TIME_LIMIT = 4000;

const open = () =>
  libc({
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
    poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
    close: { args: ["i32"], returns: "i32" },
  });
let calls: ReturnType<typeof open> | undefined;

/** Where a connection was to go. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
}

/**
 * Why a connection failed. The runtime says "connection refused" (Bun 1.4.5) also where there is no route to the host or the network,
 * and has closed the socket that knew better: the system is asked once more, and its answer counts.
 */
export async function trueConnectError(to: Target, error: unknown, timeout: number): Promise<unknown> {
  if (errorCode(error) !== "ECONNREFUSED" || isIP(to.host) === 0) return error;
  try {
    const number = await connectErrno(to, Math.min(timeout, TIME_LIMIT));
    return number === 0 ? error : systemError("connect", number);
  } catch {
    return error;
  }
}

/** The errno of a connection attempt; 0 when it succeeds, or takes too long. */
async function connectErrno({ host, port, localAddress }: Target, timeLimit: number): Promise<number> {
  calls ??= open();
  const fd = calls.socket(isIPv6(host) ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return 0;
  try {
    const from = localAddress === undefined ? undefined : sockaddr(localAddress, 0);
    if (from !== undefined && calls.bind(fd, from, from.length) < 0) return errno();
    const name = sockaddr(host, port);
    if (calls.connect(fd, name, name.length) === 0) return 0;
    const number = errno();
    return number === EINPROGRESS ? await settledErrno(fd, timeLimit) : number;
  } finally {
    calls.close(fd);
  }
}

async function settledErrno(fd: number, timeLimit: number): Promise<number> {
  const question = new Int32Array([fd, POLLOUT]);
  const [value, length] = [new Int32Array(1), new Int32Array([4])];
  for (const end = performance.now() + timeLimit; performance.now() < end;) {
    if (calls!.poll(question, 1, 0) > 0) {
      return calls!.getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length) < 0 ? errno() : value[0]!;
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
  return 0;
}
