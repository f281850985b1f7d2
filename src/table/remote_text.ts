import { isUtf8 } from "node:buffer";
import type { TableContext } from "./context.ts";
import type { Answer } from "./table.ts";

/** A key or a request as bytes on the wire. */
export function toWire(text: string, { encoding = "utf8" }: Pick<TableContext, "encoding">): Buffer {
  return Buffer.from(text, encoding);
}

/** What bytes from a server mean: text up to the first NUL; bytes that are no UTF-8 are a mistake in the table (smtputf8_enable). */
export function valueFromWire(
  spec: string,
  key: string,
  bytes: Buffer,
  { encoding = "utf8" }: Pick<TableContext, "encoding">,
): Answer {
  const nul = bytes.indexOf(0);
  const value = nul < 0 ? bytes : bytes.subarray(0, nul);
  if (encoding === "utf8" && !isUtf8(value)) {
    const why = `${spec}: key "${key}": non-UTF-8 value "${printable(value.toString("latin1"), 100)}": ` +
      "malformed UTF-8 or invalid codepoint";
    return { is: "trouble", retry: false, why };
  }
  return { is: "found", value: value.toString(encoding) };
}

/** Text of a peer in a message: cut, and without what a terminal or a log would stumble over. */
export function printable(text: string, limit: number, instead = "?"): string {
  return text.slice(0, limit).replace(/[^\x20-\x7e]/g, instead);
}
