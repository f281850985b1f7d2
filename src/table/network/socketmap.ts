import { ConnectionPool } from "../../platform/socket/connection_pool.ts";
import type { ConnectTo } from "../../platform/socket/connection.ts";
import type { TableContext } from "../context.ts";
import { parseEndpoint, serverDirectory } from "../remote/server_endpoint.ts";
import { exchange } from "./_exchange.ts";
import { netstring, readNetstring } from "./netstring.ts";
import { remoteTable } from "../remote/remote_table.ts";
import { excerpt, toWire, valueFromWire } from "../remote/remote_text.ts";
import { Servers } from "../remote/servers.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { refused, unproven } from "../unavailable.ts";

/** Limits of socketmap_table(5), in bytes and milliseconds. */
const MAX_QUERY = 10_000;
const MAX_REPLY = 100_000;
const TIMEOUT = 100_000;
const MAX_IDLE = 10_000;
const MAX_TTL = 100_000;

/** `socketmap:inet:host:port:name`, `socketmap:unix:path:name`: Sendmail's socketmap protocol (socketmap_table(5)). */
export function openSocketmap(name: string, spec: string, context: TableContext): Table {
  if (context.paranoid === true) return unproven(spec, context);
  const colon = name.lastIndexOf(":");
  if (colon < 0) return refused(spec, "socketmap requires server:socketmap argument", context);
  const endpoint = parseEndpoint(name.slice(0, colon), serverDirectory(context));
  if (endpoint.is === "bad") return refused(spec, endpoint.why, context);
  return socketmap({ spec, server: name.slice(0, colon), map: name.slice(colon + 1) }, endpoint.to, context);
}

interface Names {
  readonly spec: string;
  readonly server: string;
  readonly map: string;
}

function socketmap({ spec, server, map }: Names, to: ConnectTo, context: TableContext): Table {
  const pool = new ConnectionPool(to, { timeout: TIMEOUT, maxIdle: MAX_IDLE, maxTtl: MAX_TTL });
  const called = server.slice(server.indexOf(":") + 1);
  const servers = new Servers(spec, [pool], context, { nameOf: () => called, order: "listed" });
  const read = (received: Buffer) => {
    const found = readNetstring(received, MAX_REPLY);
    return found && { reply: Buffer.from(found.content), length: found.length };
  };
  return remoteTable(
    spec,
    context,
    { deadline: TIMEOUT, pattern: true, asWritten: true, close: () => pool.close() },
    async (key, signal) => {
      const text = toWire(key, context);
      if (text.length > MAX_QUERY) {
        context.warn(
          `table ${spec} query too large: '${excerpt(key, 100)}', returning 'not found'`,
        );
        return ABSENT;
      }
      const bytes = netstring(Buffer.concat([Buffer.from(`${map} `), text]));
      const reply = await servers.ask((pool) => exchange(pool, called, { bytes, read, signal }), signal);
      return socketmapAnswer(spec, key, reply, context);
    },
  );
}

/** `retry: false` is the table's own mistake; all other troubles may pass. */
const ERRORS: Readonly<Record<string, { readonly kind: string; readonly retry: boolean }>> = {
  TEMP: { kind: "temporary", retry: true },
  TIMEOUT: { kind: "timeout", retry: true },
  PERM: { kind: "permanent", retry: false },
};

/** What a reply says: a status, a blank, and the value or a reason (socketmap_table(5)). */
export function socketmapAnswer(
  spec: string,
  key: string,
  reply: Buffer,
  context: Pick<TableContext, "encoding">,
): Answer {
  const blank = reply.indexOf(0x20);
  const status = (blank < 0 ? reply : reply.subarray(0, blank)).toString("latin1");
  const rest = blank < 0 ? Buffer.alloc(0) : reply.subarray(blank + 1);
  if (status === "OK") return blank < 0 ? ABSENT : valueFromWire(spec, key, rest, context);
  if (status === "NOTFOUND") return ABSENT;
  const { kind, retry } = Object.hasOwn(ERRORS, status) ? ERRORS[status]! : UNKNOWN;
  const reason = rest.toString("latin1").trimStart();
  const why = `${spec} socketmap server ${kind} error${reason === "" ? "" : `: ${excerpt(reason, 200)}`}`;
  return { is: "trouble", retry, why };
}

const UNKNOWN = { kind: "unknown", retry: true };
