import { ConnectionPool } from "../../platform/socket/connection_pool.ts";
import type { TableContext } from "../context.ts";
import { parseHostPort } from "../remote/server_endpoint.ts";
import { exchange } from "./_exchange.ts";
import { LookupFault, remoteTable } from "../remote/remote_table.ts";
import { excerpt, toWire, valueFromWire } from "../remote/remote_text.ts";
import { Servers } from "../remote/servers.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { refused, unproven } from "../unavailable.ts";

/** Limits of tcp_table(5), in bytes and milliseconds; a line's length is without its newline. */
const MAX_REPLY = 4096;
const TIMEOUT = 100_000;
/** Postfix keeps a connection as long as the process lives that uses it (max_idle). */
const MAX_IDLE = 100_000;

/** `tcp:host:port`: one line for a question, one for the answer (tcp_table(5)). */
export function openTcp(name: string, spec: string, context: TableContext): Table {
  if (context.paranoid === true) return unproven(spec, context);
  const endpoint = parseHostPort(name);
  if (endpoint.is === "bad") return refused(spec, endpoint.why, context);
  const pool = new ConnectionPool(endpoint.to, { timeout: TIMEOUT, maxIdle: MAX_IDLE, maxTtl: Infinity });
  const servers = new Servers(spec, [pool], context, { nameOf: () => name, order: "listed" });
  return remoteTable(
    spec,
    context,
    { deadline: TIMEOUT, pattern: true, asWritten: true, close: () => pool.close() },
    (key, signal) => {
      const request = {
        bytes: `get ${encodePercent(toWire(key, context))}\n`,
        read: (received: Buffer, seen: number) => readReply({ spec, name, key }, received, context, seen),
        signal,
      };
      return servers.ask((pool) => exchange(pool, `TCP map ${name}`, request), signal);
    },
  );
}

/** Which table is asked what, for messages. */
export interface TcpQuestion {
  readonly spec: string;
  readonly name: string;
  readonly key: string;
}

/** The answer in the first line of what has come in; a malformed one ends the connection. */
export function readReply(
  question: TcpQuestion,
  received: Buffer,
  context: Pick<TableContext, "encoding">,
  seen = 0,
): { readonly reply: Answer; readonly length: number } | undefined {
  const end = received.indexOf(0x0a, seen);
  if ((end < 0 ? received.length : end) >= MAX_REPLY) throw fault(question, `text longer than ${MAX_REPLY}`);
  if (end < 0) return undefined;
  return { reply: answerOf(question, received.subarray(0, end), context), length: end + 1 };
}

const fault = ({ name }: TcpQuestion, what: string) =>
  new LookupFault(`read TCP map reply from ${name}: ${what}`, { isWhole: true });

/** Three digits, one blank, text with %XX: 2xx found, 4xx trouble, 5xx absent (tcp_table(5)). */
function answerOf(question: TcpQuestion, line: Buffer, context: Pick<TableContext, "encoding">): Answer {
  const written = line.toString("latin1");
  const shown = excerpt(written, 100, "_");
  const text = /^\d{3}[ \t\v\f\r]/.test(written) ? decodePercent(written.slice(4)) : undefined;
  if (text === undefined) throw fault(question, `malformed reply: ${shown}`);
  switch (written[0]) {
    case "2":
      return valueFromWire(question.spec, question.key, text, context);
    case "4":
      return { is: "trouble", retry: true, why: `${question.spec}: soft error: ${shown}` };
    case "5":
      return ABSENT;
    default:
      throw fault(question, `bad status code: ${shown}`);
  }
}

/** Bytes as text: blanks, control characters, percent signs and all beyond ASCII as %XX. */
export function encodePercent(bytes: Buffer): string {
  return bytes.toString("latin1").replace(
    /[^\x21-\x24\x26-\x7e]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

/** The bytes that such a text (latin1) stands for; undefined when two hexadecimal digits do not follow a percent sign. */
export function decodePercent(text: string): Buffer | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  const plain = text.replace(/%(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(plain, "latin1");
}
