import { isUtf8 } from "node:buffer";

const CONTROL = /[\x00-\x1f\x7f-\x9f]/;
const CONTROLS = /[\x00-\x1f\x7f-\x9f]/g;

/** Text without control characters: each becomes `instead`, so that it stays one line wherever it is written (Postfix's printable(3)). */
export function printable(text: string, instead = "?"): string {
  return CONTROL.test(text) ? text.replace(CONTROLS, instead) : text;
}

const SEQUENCES = new RegExp(
  "[\\xc2-\\xdf][\\x80-\\xbf]|\\xe0[\\xa0-\\xbf][\\x80-\\xbf]|\\xed[\\x80-\\x9f][\\x80-\\xbf]|" +
    "[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}|\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}|[\\xf1-\\xf3][\\x80-\\xbf]{3}|" +
    "\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}|[\\x80-\\xff]",
  "g",
);

/** Bytes from elsewhere as such text: every byte that belongs to no UTF-8 sequence becomes `instead`, too (RFC 3629 §4). */
export function printableBytes(bytes: Buffer, instead = "?"): string {
  if (isUtf8(bytes)) return printable(bytes.toString("utf8"), instead);
  const valid = bytes.toString("latin1").replace(SEQUENCES, (found) => found.length > 1 ? found : instead);
  return printable(Buffer.from(valid, "latin1").toString("utf8"), instead);
}

/** The same for places that take ASCII only; each byte beyond it becomes `instead`. */
export function printableAscii(text: string, instead = "?"): string {
  return /^[\x20-\x7e]*$/.test(text)
    ? text
    : Buffer.from(text).toString("latin1").replace(/[^\x20-\x7e]/g, instead);
}

const LINE_END = /[\r\n\0]/;
const LINE_ENDS = /[\r\n\0]/g;

/** Text that does not end the line, field or command that it is written into: a line end or NUL is a blank. Other controls stay. */
export function oneLine(text: string): string {
  return LINE_END.test(text) ? text.replace(LINE_ENDS, " ") : text;
}
