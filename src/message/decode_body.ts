import type { Encoding } from "./content_type.ts";

/** A body as its bytes, whatever it was encoded in (RFC 2045 §6). What does not belong there is passed over. */
export function decodeBody(body: Buffer, { name }: Encoding): Buffer {
  if (name === "base64") {
    return Buffer.from(body.toString("latin1").replace(/[^A-Za-z0-9+/=]/g, ""), "base64");
  }
  return name === "quoted-printable" ? decodeQuotedPrintable(body.toString("latin1")) : body;
}

/** Soft line breaks go, blanks at the ends of lines too, and `=XX` is a byte (RFC 2045 §6.7). */
function decodeQuotedPrintable(text: string): Buffer {
  const lines = text.split("\n").map((line) => withoutBlanksAtEnd(line));
  const joined = lines.map((line, at) => {
    if (line.endsWith("=")) return line.slice(0, -1);
    return at === lines.length - 1 ? line : `${line}\r\n`;
  }).join("");
  const decoded = joined.replace(
    /=([0-9A-Fa-f]{2})/g,
    (_, hex: string) => String.fromCharCode(parseInt(hex, 16)),
  );
  return Buffer.from(decoded, "latin1");
}

function withoutBlanksAtEnd(line: string): string {
  let end = line.length;
  while (end > 0 && " \t\r".includes(line[end - 1]!)) end--;
  return line.slice(0, end);
}
