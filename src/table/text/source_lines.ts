import { printable } from "../../base/printable.ts";
import { isUtf8 } from "node:buffer";

const NEWLINE = 0x0a;
const HASH = 0x23;

/** White space of table sources: space, TAB, newline, vertical tab, form feed, carriage return. */
export function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** Hears each logical line: its bytes are `bytes[start..end)`, none when it starts with a NUL; it began at line `line`. */
export type EachLine = (bytes: Buffer, start: number, end: number, line: number) => void;

/** First byte of the physical line that is not blank; `end` when there is none or the line is a comment. */
function textStart(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isBlank(bytes[at]!)) at++;
  return at < end && bytes[at] !== HASH ? at : end;
}

/**
 * Takes a line in one go where it can, being the plain kind of which there may be millions; answers where the next line starts,
 * or -1 when the line is to be read in the usual way. What it takes must be the whole logical line.
 */
export type PlainLine = (bytes: Buffer, start: number, line: number) => number;

/** A logical line that starts with white space has nothing to continue; Postfix's words for it. */
function strayContinuation(bytes: Buffer): string {
  const shown = lineText(bytes, 0, Math.min(bytes.length, 30));
  return `logical line must not start with whitespace: "${shown}${bytes.length > 30 ? "..." : ""}"`;
}

/** A line's text for a message; bytes that are no UTF-8 are `?`. */
export function lineText(bytes: Buffer, start: number, end: number): string {
  const part = bytes.subarray(start, end);
  if (isUtf8(part)) return printable(part.toString("utf8"));
  return printable(part.toString("latin1").replace(/[\x80-\xff]/g, "?"));
}

interface Pending {
  bytes: Buffer;
  start: number;
  end: number;
  line: number;
  parts: Buffer[] | undefined;
}

/** A loop, since a native search costs more to set up than most lines are long. */
function beforeNul(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (bytes[at] === 0) return at;
  }
  return end;
}

function emit(pending: Pending, each: EachLine, stray: (text: string) => void): void {
  let { bytes, start, end } = pending;
  if (pending.parts !== undefined) {
    bytes = Buffer.concat(pending.parts);
    start = 0;
    end = bytes.length;
  }
  end = beforeNul(bytes, start, end);
  if (start < end && isBlank(bytes[start]!)) stray(strayContinuation(bytes.subarray(start, end)));
  else each(bytes, start, end, pending.line);
}

/**
 * Takes a table source apart into logical lines: blank lines and comments vanish, a line that starts with white space
 * continues the one before, a NUL ends the text (postmap(1)). `stray` hears of lines with nothing to continue. `line`: how many
 * physical lines came before; answers how many there have been then.
 */
export function logicalLines(
  bytes: Buffer,
  each: EachLine,
  stray: (text: string) => void,
  plain: PlainLine = () => -1,
  line = 0,
): number {
  let pending: Pending | undefined;
  for (let at = 0; at < bytes.length;) {
    if (bytes[at]! > HASH) {
      if (pending !== undefined) emit(pending, each, stray);
      pending = undefined;
      const next = plain(bytes, at, line + 1);
      if (next >= 0) {
        line++;
        at = next;
        continue;
      }
    }
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline < 0 ? bytes.length : newline;
    line++;
    if (textStart(bytes, at, end) < end) {
      if (pending !== undefined && isBlank(bytes[at]!)) {
        pending.parts ??= [bytes.subarray(pending.start, pending.end)];
        pending.parts.push(bytes.subarray(at, end));
      } else {
        if (pending !== undefined) emit(pending, each, stray);
        pending = { bytes, start: at, end, line, parts: undefined };
      }
    }
    at = end + 1;
  }
  if (pending !== undefined) emit(pending, each, stray);
  return line;
}
