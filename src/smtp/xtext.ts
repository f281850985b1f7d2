const encoder = new TextEncoder();

const AS_IT_IS = /^[!-*,-<>-~]*$/;
const PLAIN = /^[!#-*,-;?-[\]-~]*$/;
/** Quotes and angle brackets hold words together in a command line: they may stand there only where they are in pairs, as in an address. */
const ONE_WORD = /^(?:[^"\\<>]|"(?:[^"\\]|\\.)*")*$/;

const hex = (byte: number) => `+${byte.toString(16).toUpperCase().padStart(2, "0")}`;

/** Text as xtext (RFC 3461 §4): what is not printable ASCII, `+` and `=` become `+XX` of the UTF-8 bytes. */
export function encodeXtext(text: string): string {
  const asItIs = ONE_WORD.test(text) ? AS_IT_IS : PLAIN;
  if (asItIs.test(text)) return text;
  let out = "";
  for (const byte of encoder.encode(text)) {
    const char = String.fromCharCode(byte);
    out += asItIs.test(char) ? char : hex(byte);
  }
  return out;
}

/** The bytes that xtext stands for, any bytes: the caller says which may be in it. Undefined when a `+` has no two hex digits. */
export function decodeXtext(xtext: string): Buffer | undefined {
  const bytes = Buffer.from(xtext, "utf8");
  if (!xtext.includes("+")) return bytes;
  if (/\+(?![\dA-Fa-f]{2})/.test(xtext)) return undefined;
  const plain = bytes.toString("latin1").replace(
    /\+([\dA-Fa-f]{2})/g,
    (_, digits) => String.fromCharCode(parseInt(digits, 16)),
  );
  return Buffer.from(plain, "latin1");
}

/** Text as utf-8-addr-xtext (RFC 6533 §3): what is not printable ASCII, `\`, `+` and `=` become `\x{XX}` of the code point. */
export function encodeUtf8Xtext(text: string): string {
  return text.replace(/[^!#-*,-;?-[\]-~]/gu, (char) => {
    return `\\x{${char.codePointAt(0)!.toString(16).toUpperCase().padStart(2, "0")}}`;
  });
}

/** The text that it stands for, any text. Undefined when an `\x{` holds no hexadecimal code point. */
export function decodeUtf8Xtext(xtext: string): string | undefined {
  if (!xtext.includes("\\x{")) return xtext;
  let good = true;
  const text = xtext.replace(/\\x\{([^}]*)\}?/g, (whole, digits: string) => {
    const point = /^[\dA-Fa-f]{1,8}$/.test(digits) && whole.endsWith("}") ? parseInt(digits, 16) : Infinity;
    good &&= point <= 0x10ffff;
    return good ? String.fromCodePoint(point) : "";
  });
  return good ? text : undefined;
}

/** Text as xtext where words need no holding together: only `+`, blanks and what is not printable ASCII become `+XX`. */
export function encodeLooseXtext(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1")
    .replace(/[^!-*,-~]/g, (char) => hex(char.charCodeAt(0)));
}
