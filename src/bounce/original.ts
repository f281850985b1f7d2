import type { Content } from "../queue/store.ts";

/** Most bytes of headers that a notice returns; a header longer than that is cut at a line. */
const HEADER_LIMIT = 256 * 1024;

const EMPTY_LINE = Buffer.from("\r\n\r\n");

/** The header section of a message, its last CR LF included, the empty line not. */
export async function headersOf(content: Content): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of content.chunks()) {
    pieces.push(chunk);
    size += chunk.length;
    const head = Buffer.concat(pieces);
    const end = head.indexOf(EMPTY_LINE);
    if (end >= 0) return head.subarray(0, end + 2);
    if (size > HEADER_LIMIT) return head.subarray(0, head.lastIndexOf("\r\n", HEADER_LIMIT) + 2);
  }
  return Buffer.concat(pieces);
}
