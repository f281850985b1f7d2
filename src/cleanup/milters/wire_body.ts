const LF = 10;
const CR = 13;
const LINE_END = Buffer.from("\r\n");

/**
 * A filter's body as content goes into the queue: behind the blank line that filters do not see, each line ending in CR LF, the last one
 * too. At more than `limit` bytes (0: any number) it breaks off and says so.
 */
export async function* wireBody(
  pieces: AsyncIterable<Uint8Array>,
  limit: number,
  tooBig: () => void,
): AsyncIterable<Uint8Array> {
  yield LINE_END;
  let size = 0;
  let last = LF;
  for await (const piece of pieces) {
    if (piece.length === 0) continue;
    const bytes = withLineEnds(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength), last);
    size += bytes.length;
    if (limit > 0 && size > limit) return tooBig();
    last = bytes[bytes.length - 1]!;
    yield bytes;
  }
  if (last !== LF) yield LINE_END;
}

/** LF alone becomes CR LF; `last` is the byte in front. Nothing is copied where none is. */
function withLineEnds(bytes: Buffer, last: number): Buffer {
  const text = bytes.toString("latin1");
  const goesOn = bytes[0] === LF && last === CR;
  if (!/(?<!\r)\n/.test(goesOn ? text.slice(1) : text)) return bytes;
  const whole = text.replace(/(?<!\r)\n/g, (_, at) => at === 0 && goesOn ? "\n" : "\r\n");
  return Buffer.from(whole, "latin1");
}
