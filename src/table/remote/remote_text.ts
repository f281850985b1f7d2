import { isUtf8 } from "node:buffer";
import type { TableContext } from "../context.ts";
import type { Answer } from "../table.ts";

/** A key or a request as bytes on the wire. */
export function toWire(text: string, { encoding = "utf8" }: Pick<TableContext, "encoding">): Buffer {
  return Buffer.from(text, encoding);
}

/** What bytes from a server mean: text up to the first NUL, as C's strings; undefined when it has to be UTF-8 and is not (smtputf8_enable). */
export function textFromWire(
  bytes: Buffer,
  { encoding = "utf8" }: Pick<TableContext, "encoding">,
): string | undefined {
  const nul = bytes.indexOf(0);
  const text = nul < 0 ? bytes : bytes.subarray(0, nul);
  return encoding === "utf8" && !isUtf8(text) ? undefined : text.toString(encoding);
}

/** The same as an answer; bytes that are no UTF-8 are a mistake in the table. */
export function valueFromWire(
  spec: string,
  key: string,
  bytes: Buffer,
  context: Pick<TableContext, "encoding">,
): Answer {
  const value = textFromWire(bytes, context);
  if (value !== undefined) return { is: "found", value };
  const shown = excerpt(textFromWire(bytes, { encoding: "latin1" })!, 100);
  const why = `${spec}: key "${key}": non-UTF-8 value "${shown}": malformed UTF-8 or invalid codepoint`;
  return { is: "trouble", retry: false, why };
}

/** Text of a peer in a message: cut, and without what a terminal or a log would stumble over. */
export function excerpt(text: string, limit: number, instead = "?"): string {
  return text.slice(0, limit).replace(/[^\x20-\x7e]/g, instead);
}
