import type { Connection, ConnectionHandler, ConnectTo } from "../../platform/socket/connection.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { ClientSettings } from "./client_settings.ts";
import { type Failure, localFailure } from "./failure.ts";
import { Session } from "./client_session.ts";
import { type Peer, relayName } from "./peer.ts";
import type { ReplyFilter } from "./reply_filter.ts";
import type { Demand, SessionKey } from "./session_key.ts";

/** Opens stream connections; the system's in production. */
export type Connect = (
  to: ConnectTo,
  options: { readonly timeout: number; readonly signal?: AbortSignal },
  handlerOf: (connection: Connection) => ConnectionHandler,
) => Promise<Connection>;

/** What connecting needs. */
export interface ConnectContext {
  readonly settings: ClientSettings;
  readonly connect: Connect;
  /** inet_interfaces as addresses: with just one of a family, mail comes from that one. */
  readonly ownAddresses: readonly string[];
  readonly now: () => number;
  readonly warn: (text: string) => void;
  readonly filterReply?: ReplyFilter | undefined;
}

/** Where a connection leads. */
export type Endpoint =
  | { readonly is: "tcp"; readonly peer: Peer; readonly family: 4 | 6 }
  | { readonly is: "unix"; readonly peer: Peer };

const DAY = 86_400_000;

/** Errors of bind(2), as far as they show: the source address is not one of this machine. */
const BIND_ERRORS = new Set(["EADDRNOTAVAIL", "EACCES"]);

/** Connects, or says why not in Postfix's words: `connect to H[A]:P: Connection refused`. */
export async function openSession(
  endpoint: Endpoint,
  demand: Demand,
  context: ConnectContext,
  signal: AbortSignal,
): Promise<Session | Failure> {
  const key = { ...demand, peer: endpoint.peer };
  const from = endpoint.is === "tcp" ? boundAddress(endpoint.family, context) : undefined;
  const opened = await tryToOpen(endpoint, key, context, from, signal);
  if (opened instanceof Session) return opened;
  if (from === undefined || !BIND_ERRORS.has(opened.code)) return connectFailure(endpoint.peer, opened.error);
  context.warn(`smtp_connect_addr: bind ${from}: ${systemErrorText(opened.error)}`);
  if (context.settings.bindAddressEnforce) return localFailure("4.4.0", "server configuration error");
  const again = await tryToOpen(endpoint, key, context, undefined, signal);
  return again instanceof Session ? again : connectFailure(endpoint.peer, again.error);
}

interface NotOpened {
  readonly code: string;
  readonly error: unknown;
}

async function tryToOpen(
  { is, peer }: Endpoint,
  key: SessionKey,
  { settings, connect, now, warn, filterReply }: ConnectContext,
  localAddress: string | undefined,
  signal: AbortSignal,
): Promise<Session | NotOpened> {
  const to: ConnectTo = is === "unix"
    ? { path: peer.address }
    : { host: peer.address, port: peer.port, ...(localAddress === undefined ? {} : { localAddress }) };
  let session: Session | undefined;
  try {
    await connect(to, { timeout: settings.timeouts.connect || DAY, signal }, (connection) => {
      const opened = new Session(connection, key, {
        now: now(),
        perRequestDeadline: settings.perRequestDeadline,
        quitPatience: settings.skipQuitResponse ? 0 : settings.timeouts.quit,
        replies: {
          limit: settings.replyLineLimit,
          warn: (text) => warn(`${relayName(peer)}: ${text}`),
          ...(filterReply !== undefined && { filter: (line: string) => filterReply(line, relayName(peer)) }),
        },
      });
      session = opened;
      return opened.handler;
    });
  } catch (error) {
    return { code: codeOf(error), error };
  }
  return session!;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function connectFailure(peer: Peer, error: unknown): Failure {
  return localFailure("4.4.1", `connect to ${relayName(peer)}: ${systemErrorText(error)}`);
}

/** smtp_bind_address, else the one address that inet_interfaces leaves of the family. */
export function boundAddress(
  family: 4 | 6,
  { settings, ownAddresses }: Pick<ConnectContext, "settings" | "ownAddresses">,
): string | undefined {
  const configured = family === 4 ? settings.bindAddress : settings.bindAddress6;
  if (configured !== "") return configured;
  const own = ownAddresses.filter((address) => address.includes(":") === (family === 6));
  if (own.length !== 1 || own[0] === "::1" || own[0]!.startsWith("127.")) return undefined;
  return own[0];
}
