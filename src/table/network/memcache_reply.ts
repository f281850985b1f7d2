import type { Reading } from "../../platform/socket/connection_pool.ts";
import { excerpt } from "../remote/remote_text.ts";

/** The server says something that its protocol does not know, or more than it may. */
export class UnexpectedReply extends Error {
  override readonly name = "UnexpectedReply";
  readonly isTooLong: boolean;

  constructor(why: string, isTooLong = false) {
    super(why);
    this.isTooLong = isTooLong;
  }
}

/** Longest line and longest value that are taken from a server (memcache_table(5)). */
export interface ReplyLimits {
  readonly line: number;
  readonly data: number;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** The first line, without its end, CR LF or LF. */
export function readLine(received: Buffer, limit: number, start = 0): Reading<string> | undefined {
  const end = received.indexOf(NEWLINE, start);
  if ((end < 0 ? received.length : end) - start > limit) throw new UnexpectedReply("line too long", true);
  if (end < 0) return undefined;
  const bare = end > start && received[end - 1] === RETURN ? end - 1 : end;
  return { reply: received.toString("latin1", start, bare), length: end + 1 };
}

/** The reply to `get`: one value or none. */
export function readValue(received: Buffer, limits: ReplyLimits): Reading<Buffer | undefined> | undefined {
  const line = readLine(received, limits.line);
  if (line === undefined) return undefined;
  if (line.reply === "END") return { reply: undefined, length: line.length };
  const size = Number(/^VALUE\s+\S+\s+\S+\s+(\+?\d+)/.exec(line.reply)?.[1] ?? NaN);
  if (!(size <= limits.data)) throw new UnexpectedReply(excerpt(line.reply, 30));
  return valueAt(received, line.length, line.length + size, limits);
}

function valueAt(received: Buffer, start: number, end: number, limits: ReplyLimits) {
  if (received.length < end + 2) return undefined;
  if (received[end] !== RETURN || received[end + 1] !== NEWLINE) {
    throw new UnexpectedReply("value without end");
  }
  const last = readLine(received, limits.line, end + 2);
  return last && {
    reply: Buffer.from(received.subarray(start, end)),
    length: last.length,
    isLast: last.reply !== "END",
  };
}
