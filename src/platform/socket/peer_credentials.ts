import type { Connection } from "./connection.ts";
import { libc } from "../libc.ts";
import { descriptorOf } from "./runtime_handle.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

const open = () => libc({ getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;

/** Who is at the other end of a unix socket, as the kernel knows it (unix(7), SO_PEERCRED). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The peer of a unix connection; undefined when the system does not tell, which must count as a stranger. */
export function peerCredentials(connection: Connection): PeerCredentials | undefined {
  const fd = descriptorOf(connection.socket);
  if (fd === undefined) return undefined;
  const value = new Int32Array(3);
  const length = new Uint32Array([12]);
  if ((calls ??= open()).getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length) < 0) return undefined;
  return { pid: value[0]!, uid: value[1]!, gid: value[2]! };
}
