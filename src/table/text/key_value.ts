import { isUtf8 } from "node:buffer";
import { isBlank, lineText } from "./source_lines.ts";

/** Where key and value lie in a line's bytes. */
export interface KeyValue {
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** Where the key ends: at the first blank outside quotes and not behind a backslash; -1 when a quote stays open. */
function endOfKey(bytes: Uint8Array, start: number, end: number): number {
  let quoted = false;
  let at = start;
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === BACKSLASH) {
      if (++at >= end) return quoted ? -1 : end;
    } else if (byte === QUOTE) quoted = !quoted;
    else if (!quoted && isBlank(byte)) break;
  }
  return quoted ? -1 : at;
}

function hasHighBytes(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (bytes[at]! > 127) return true;
  }
  return false;
}

/** Says why a line is ignored, or undefined when its bytes are text (RFC 3629). */
export function notUtf8(bytes: Buffer, start: number, end: number): string | undefined {
  if (!hasHighBytes(bytes, start, end) || isUtf8(bytes.subarray(start, end))) return undefined;
  return `non-UTF-8 input "${lineText(bytes, start, end)}" -- ignoring this line`;
}

/** The complaint about a line without a value. */
export const NO_VALUE = "expected format: key whitespace value";

/** Splits `key whitespace value` (postmap(1)); quotes and backslashes stay in the key. Answers Postfix's complaint when it is not that. */
export function splitKeyValue(bytes: Buffer, start: number, end: number): KeyValue | string {
  const keyEnd = endOfKey(bytes, start, end);
  if (keyEnd < 0) return `unbalanced '"' in '${lineText(bytes, start, end)}' -- ignoring this line`;
  let valueStart = keyEnd;
  let valueEnd = end;
  while (valueStart < valueEnd && isBlank(bytes[valueStart]!)) valueStart++;
  while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
  if (keyEnd === start || valueStart === valueEnd) return NO_VALUE;
  return { keyEnd, valueStart, valueEnd };
}

/** What is said of a key that ends with a colon. */
export const ALIAS_SUSPICION = 'record is in "key: value" format; is this an alias file?';

/** The warning for a key that ends with a colon; the record is stored all the same. */
export function aliasSuspicion(bytes: Uint8Array, keyEnd: number): string | undefined {
  if (bytes[keyEnd - 1] !== COLON) return undefined;
  return ALIAS_SUSPICION;
}
