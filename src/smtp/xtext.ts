const encoder = new TextEncoder();

// Quotes, backslashes and angle brackets are legal in xtext, but would hold words together in a command line.
const AS_IT_IS = /^[!#-*,-;?-[\]-~]*$/;

const hex = (byte: number) => `+${byte.toString(16).toUpperCase().padStart(2, "0")}`;

/** Text as xtext (RFC 3461 §4): what is not printable ASCII, `+` and `=` become `+XX` of the UTF-8 bytes. */
export function encodeXtext(text: string): string {
  if (AS_IT_IS.test(text)) return text;
  let out = "";
  for (const byte of encoder.encode(text)) {
    const char = String.fromCharCode(byte);
    out += AS_IT_IS.test(char) ? char : hex(byte);
  }
  return out;
}

/** Reads xtext; undefined when a `+` is not followed by two hex digits. Bytes that are no UTF-8 are taken as Latin-1. */
export function decodeXtext(xtext: string): string | undefined {
  if (!xtext.includes("+")) return xtext;
  if (/\+(?![\dA-Fa-f]{2})/.test(xtext)) return undefined;
  const bytes = Buffer.from(
    Buffer.from(xtext, "utf8").toString("latin1").replace(
      /\+([\dA-Fa-f]{2})/g,
      (_, digits) => String.fromCharCode(parseInt(digits, 16)),
    ),
    "latin1",
  );
  const text = bytes.toString("utf8");
  return text.includes("\ufffd") ? bytes.toString("latin1") : text;
}
