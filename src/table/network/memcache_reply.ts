import type { Reading, ReadReply } from "../../platform/socket/connection_pool.ts";
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

/** The first line from `start` on, without its end, CR LF or LF, which is not in the bytes that were seen. */
export function readLine(
  received: Buffer,
  limit: number,
  start = 0,
  seen = 0,
): Reading<string> | undefined {
  const end = received.indexOf(NEWLINE, Math.max(start, seen));
  if ((end < 0 ? received.length : end) - start > limit) throw new UnexpectedReply("line too long", true);
  if (end < 0) return undefined;
  const bare = end > start && received[end - 1] === RETURN ? end - 1 : end;
  return { reply: received.toString("latin1", start, bare), length: end + 1 };
}

/** Where a value is. */
interface ValuePlace {
  readonly start: number;
  readonly end: number;
}

/** Reads the reply to `get`, one value or none, as it comes: the line on top once, the rest when enough is there. */
export function valueReader(limits: ReplyLimits): ReadReply<Buffer | undefined> {
  let place: ValuePlace | undefined;
  return (received, seen) => {
    if (seen === 0) place = undefined;
    if (place === undefined) {
      const line = readLine(received, limits.line, 0, seen);
      if (line === undefined) return undefined;
      if (line.reply === "END") return { reply: undefined, length: line.length };
      place = placeAfter(line, limits);
    }
    return valueAt(received, seen, place, limits);
  };
}

function placeAfter({ reply, length }: Reading<string>, limits: ReplyLimits): ValuePlace {
  const size = Number(/^VALUE\s+\S+\s+\S+\s+(\+?\d+)/.exec(reply)?.[1] ?? NaN);
  if (!(size <= limits.data)) throw new UnexpectedReply(excerpt(reply, 30));
  return { start: length, end: length + size };
}

function valueAt(received: Buffer, seen: number, { start, end }: ValuePlace, limits: ReplyLimits) {
  if (received.length < end + 2) return undefined;
  if (received[end] !== RETURN || received[end + 1] !== NEWLINE) {
    throw new UnexpectedReply("value without end");
  }
  const last = readLine(received, limits.line, end + 2, seen);
  return last && {
    reply: Buffer.from(received.subarray(start, end)),
    length: last.length,
    isLast: last.reply !== "END",
  };
}
