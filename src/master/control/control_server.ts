import { splitList } from "../../config/syntax/list.ts";
import {
  type Connection,
  type ConnectionHandler,
  listen,
  type Listener,
} from "../../platform/socket/connection.ts";
import { peerCredentials } from "../../platform/socket/peer_credentials.ts";
import { removeIfThere, setMode } from "../../platform/file/system_path.ts";
import { lineSplitter } from "./control_client.ts";
import {
  type ControlLine,
  type ControlRequest,
  controlSocketPath,
  type MayUse,
  parseRequest,
  printControlLine,
  REQUEST_LIMIT,
  VERBS,
} from "./control_protocol.ts";

/** Carries a request out: rows go to `row`, the promise's value is the answer. */
export type ControlAction = (request: ControlRequest, row: (row: unknown) => void) => Promise<unknown>;

/** What the control socket needs. */
export interface ControlServerOptions {
  readonly queueDirectory: string;
  /** The master's own user: it and root may do everything. */
  readonly uid: number;
  /** Lists of the users that may look at the queue, and flush it; read at each request. */
  readonly users: () => { readonly authorized_mailq_users: string; readonly authorized_flush_users: string };
  /** A user's login name. */
  readonly userName: (uid: number) => string | undefined;
  readonly act: ControlAction;
}

/** Most tools that may be connected at a time, and how long one may be silent before its request. */
const MOST_CLIENTS = 64;
const PATIENCE = 60_000;

/** Whether a list of users (authorized_mailq_users and kin) has the name: `static:anyone`, names, `!name`. */
export function listsUser(list: string, name: string | undefined): boolean {
  for (const item of splitList(list)) {
    if (/^static:/i.test(item)) return true;
    if (name === undefined) continue;
    if (item === `!${name}`) return false;
    if (item === name) return true;
  }
  return false;
}

/** Listens on the control socket. Every user may connect; what they may ask, the kernel's word on who they are decides. */
export async function openControlServer(options: ControlServerOptions): Promise<Listener> {
  const path = controlSocketPath(options.queueDirectory);
  removeIfThere(path);
  const listener = await listen(
    { path },
    { maxConnections: MOST_CLIENTS },
    (connection) => session(connection, options),
  );
  setMode(path, 0o666);
  return listener;
}

function mayUse(need: MayUse, uid: number | undefined, options: ControlServerOptions): boolean {
  if (uid === 0 || uid === options.uid) return uid !== undefined;
  if (uid === undefined || need === "owner") return false;
  return listsUser(options.users()[need], options.userName(uid));
}

function session(connection: Connection, options: ControlServerOptions): ConnectionHandler {
  const uid = peerCredentials(connection)?.uid;
  let received = 0;
  let busy = false;
  connection.setTimeout(PATIENCE);
  const answer = (line: ControlLine) => void connection.write(printControlLine(line));
  const lines = lineSplitter((line) => {
    if (busy) return;
    busy = true;
    connection.setTimeout(0);
    void serve(line, uid, options, answer).finally(() => connection.end());
  });
  return {
    data(chunk) {
      received += chunk.length;
      if (received > REQUEST_LIMIT) return connection.destroy();
      lines(chunk);
    },
    end: () => {
      if (!busy) connection.end();
    },
    drain: () => {},
    timeout: () => connection.destroy(),
    close: () => {},
  };
}

async function serve(
  line: string,
  uid: number | undefined,
  options: ControlServerOptions,
  answer: (line: ControlLine) => void,
): Promise<void> {
  const request = parseRequest(line);
  if ("malformed" in request) return answer({ error: `malformed request: ${request.malformed}` });
  if (!mayUse(VERBS[request.verb].mayUse, uid, options)) {
    return answer({ error: `user ${uid ?? "unknown"} may not use "${request.verb}"` });
  }
  try {
    answer({ done: (await options.act(request, (row) => answer({ row }))) ?? null });
  } catch (error) {
    answer({ error: error instanceof Error ? error.message : String(error) });
  }
}
