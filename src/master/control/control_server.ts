import { systemClock } from "../../base/clock.ts";
import { splitMatchList } from "../../config/syntax/list.ts";
import {
  type Connection,
  type ConnectionHandler,
  listen,
  type Listener,
} from "../../platform/socket/connection.ts";
import { peerCredentials } from "../../platform/socket/peer_credentials.ts";
import { openSocketFolder } from "../../platform/socket/socket_folder.ts";
import { type Caller, ConnectionShares, LISTING_SHARES } from "./connection_shares.ts";
import { CONTROL_SOCKET, controlFolder, printLine } from "./control_protocol.ts";
import { type ControlService, ControlSession, type SessionUser } from "./control_session.ts";
import type { MayUse } from "./control_verbs.ts";
import { rememberedNames } from "../../base/remembered_names.ts";

/** What the control socket needs. */
export interface ControlServerOptions {
  readonly queueDirectory: string;
  /** The master's own user: it and root may do everything. */
  readonly uid: number;
  /** Who the workers are, when it is another than the master. */
  readonly mailOwner: () => number | undefined;
  /** Lists of the users that may look at the queue, and flush it; read at each connection. */
  readonly users: () => { readonly authorized_mailq_users: string; readonly authorized_flush_users: string };
  /** A user's login name. */
  readonly userName: (uid: number) => string | undefined;
  readonly service: ControlService;
}

/**
 * Connections that the runtime accepts at a time, far above all shares together: beyond it nobody is asked who he is, so a
 * crowd that is sent away at once must not fill it.
 */
const MOST_ACCEPTED = 2048;
/** Connections that are sent away with time to hear why, and how long that is, in milliseconds. */
const MOST_LINGERING = 64;
const LINGER = 500;
let lingering = 0;
/** Tools that wait to be accepted. */
const BACKLOG = 511;

/**
 * Whether a list of users (authorized_mailq_users and kin) has the name: `static:anyone`, names, `!name`. Who cannot be told, where
 * `name` throws, may be one whom it keeps out.
 */
export function listsUser(list: string, name: () => string | undefined): boolean {
  try {
    return names(list, name);
  } catch {
    return false;
  }
}

function names(list: string, name: () => string | undefined): boolean {
  for (const item of splitMatchList(list).items) {
    if (/^static:/i.test(item)) return true;
    const asked = name();
    if (asked === undefined) continue;
    if (item === `!${asked}`) return false;
    if (item === asked) return true;
  }
  return false;
}

/**
 * Listens on the control socket. Every user may connect; the kernel's word on who it is comes before a byte is read, and
 * whoever may ask nothing, or has his share of connections, is sent away at once.
 */
export async function openControlServer(options: ControlServerOptions): Promise<Listener> {
  const folder = openSocketFolder(controlFolder(options.queueDirectory), { mode: 0o755 });
  const shares = new ConnectionShares();
  const listings = new ConnectionShares(LISTING_SHARES);
  const userName = rememberedNames(options.userName, () => systemClock.now());
  const listener = await listen(
    { fd: folder.listen(CONTROL_SOCKET, 0o666, BACKLOG) },
    { maxConnections: MOST_ACCEPTED },
    (connection) => welcome(connection, { shares, listings }, { ...options, userName }),
  );
  return {
    port: 0,
    close() {
      listener.close();
      folder.remove(CONTROL_SOCKET);
      folder.close();
    },
  };
}

function welcome(
  connection: Connection,
  { shares, listings }: { readonly shares: ConnectionShares; readonly listings: ConnectionShares },
  options: ControlServerOptions,
): ConnectionHandler {
  const uid = peerCredentials(connection)?.uid;
  if (uid === undefined) return sendAway(connection, undefined);
  const caller = callerOf(uid, options);
  const user: SessionUser = { ...userOf(uid, caller, options), list: () => listings.take(uid, caller) };
  const leave = shares.take(uid, caller);
  if (leave === undefined) {
    const why = `user ${uid} has too many connections to the control socket; try again later`;
    return sendAway(connection, printLine({ fault: { kind: "busy", why } }));
  }
  if (ANY_VERB.some(user.may)) {
    return new ControlSession(connection, user, options.service, leave);
  }
  leave();
  const why = `user ${uid} may not use the control socket (authorized_mailq_users, authorized_flush_users)`;
  return sendAway(connection, printLine({ fault: { kind: "forbidden", why } }));
}

const ANY_VERB: readonly MayUse[] = ["authorized_mailq_users", "authorized_flush_users", "mail_owner"];

function userOf(uid: number, caller: Caller, options: ControlServerOptions): Omit<SessionUser, "list"> {
  let name: { readonly is: string | undefined } | undefined;
  const nameOnce = () => (name ??= { is: options.userName(uid) }).is;
  const may = (need: MayUse) => {
    if (caller === "owner" || need === "owner") return caller === "owner";
    return caller === "mail_owner" || (need !== "mail_owner" && listsUser(options.users()[need], nameOnce));
  };
  return { uid, isOwner: caller === "owner", may };
}

function callerOf(uid: number, options: ControlServerOptions): Caller {
  if (uid === 0 || uid === options.uid) return "owner";
  return uid === options.mailOwner() ? "mail_owner" : "other";
}

/** Says a last word, reads nothing. The word is lost on a client that is writing when we close: a few may finish first. */
function sendAway(connection: Connection, word: string | undefined): ConnectionHandler {
  const handler = { data: () => {}, end: () => {}, drain: () => {}, timeout: () => {}, close: () => {} };
  if (word === undefined || lingering >= MOST_LINGERING) {
    connection.destroy();
    return handler;
  }
  lingering++;
  connection.write(word);
  connection.pause();
  systemClock.after(LINGER, () => connection.destroy());
  return { ...handler, close: () => void lingering-- };
}
