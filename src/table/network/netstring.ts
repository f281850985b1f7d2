import { LookupFault } from "../remote/remote_table.ts";

/** A netstring's content and all its bytes. */
export interface Netstring {
  readonly content: Buffer;
  readonly length: number;
}

const COLON = 0x3a;
const COMMA = 0x2c;

/** Puts text into a netstring: length, colon, bytes, comma. */
export function netstring(content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${content.length}:`), content, Buffer.from(",")]);
}

/**
 * The netstring at the start of `received`; undefined while it is not whole. Throws when it is none, or larger than `limit`:
 * that is found out from its length, before its content comes.
 */
export function readNetstring(received: Buffer, limit: number): Netstring | undefined {
  let size = 0;
  for (let at = 0; at < received.length; at++) {
    const byte = received[at]!;
    if (byte === COLON) return contentAfter(received, at + 1, size);
    if (byte < 0x30 || byte > 0x39) throw new LookupFault("input format error");
    size = size * 10 + byte - 0x30;
    if (size > limit || at > MOST_DIGITS) throw new LookupFault("input exceeds size limit");
  }
  return undefined;
}

/** Leading zeros count too: a length that never ends is one that is too long. */
const MOST_DIGITS = 20;

function contentAfter(received: Buffer, start: number, size: number): Netstring | undefined {
  const end = start + size;
  if (received.length <= end) return undefined;
  if (received[end] !== COMMA) throw new LookupFault("input format error");
  return { content: received.subarray(start, end), length: end + 1 };
}
