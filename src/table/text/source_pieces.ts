import { isBlank } from "./source_lines.ts";

const NEWLINE = 0x0a;
const HASH = 0x23;
const PIECE = 1 << 18;

/** Puts what comes next of a source into the buffer; answers how many bytes that are, 0 at its end. */
export type ReadOn = (into: Buffer) => number;

/**
 * A table's source in pieces that end before a line which starts a record, so that no logical line is in two of them. A piece is
 * good until the next one.
 */
export function* sourcePieces(readOn: ReadOn, size = PIECE): Generator<Buffer> {
  let buffer = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  let searched = 0;
  for (;;) {
    const got = readOn(buffer.subarray(filled));
    filled += got;
    if (got === 0) break;
    if (filled < buffer.length) continue;
    const end = lastStart(buffer, searched, filled);
    if (end > 0) {
      yield buffer.subarray(0, end);
      buffer.copyWithin(0, end, filled);
      filled -= end;
      searched = 0;
    } else {
      searched = filled;
      buffer = twice(buffer);
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

/** Where the last line begins that starts a record, behind `from`; 0 when there is none. */
function lastStart(bytes: Buffer, from: number, end: number): number {
  for (let at = end - 2; at >= 0; at--) {
    const newline = bytes.lastIndexOf(NEWLINE, at);
    if (newline < 0 || newline + 1 < from) return 0;
    const first = bytes[newline + 1]!;
    if (first !== HASH && !isBlank(first)) return newline + 1;
    at = newline;
  }
  return 0;
}

function twice(buffer: Buffer): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafeSlow(2 * buffer.length);
  buffer.copy(larger);
  return larger;
}
