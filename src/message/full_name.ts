/** Longest encoded word (RFC 2047 §2). */
const LONGEST_WORD = 75;
const SPECIALS = /[()<>@,;:\\".[\]%!]/;

/** How a user's full name stands in From: before the address, or behind it in parentheses (header_from_format). */
export interface NameForm {
  readonly place: "phrase" | "comment";
  /** full_name_encoding_charset: what a name beyond ASCII is encoded in, where it can be. */
  readonly charset: string;
}

/** A user's full name as a phrase or as the text of a comment; undefined when nothing is left of it. Words are parted by single blanks. */
export function fullNameText(name: string, { place, charset }: NameForm): string | undefined {
  const clean = name.replace(/[\x00-\x20\x7f]+/g, " ").trim();
  if (clean === "") return undefined;
  if (!/^[\x20-\x7e]*$/.test(clean)) return encodedWords(clean, charset).join(" ");
  if (place === "comment") return balanced(clean) || undefined;
  return SPECIALS.test(clean) ? `"${clean.replace(/[\\"]/g, "\\$&")}"` : clean;
}

/** Without parentheses that lack their partner or a backslash that quotes nothing: the comment ends where it ends. */
function balanced(text: string): string {
  let open = 0;
  let out = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === "\\") {
      if (at + 1 < text.length) out += char + text[++at]!;
      continue;
    }
    if (char === ")" && open === 0) continue;
    open += char === "(" ? 1 : char === ")" ? -1 : 0;
    out += char;
  }
  return (out + ")".repeat(open)).trim();
}

/** Encoded words, no character divided (RFC 2047 §5). */
function encodedWords(text: string, wanted: string): string[] {
  const isLatin = /^iso-8859-1$/i.test(wanted) && /^[\x20-\xff]*$/.test(text);
  const [charset, encoding] = isLatin ? ["iso-8859-1", "latin1" as const] : ["utf-8", "utf8" as const];
  const start = `=?${charset}?Q?`;
  const words: string[] = [];
  let word = "";
  for (const char of text) {
    const encoded = [...Buffer.from(char, encoding)].map(encodedByte).join("");
    if (start.length + word.length + encoded.length + 2 > LONGEST_WORD) {
      words.push(`${start}${word}?=`);
      word = "";
    }
    word += encoded;
  }
  return [...words, `${start}${word}?=`];
}

/** The letters that a phrase may have in an encoded word. */
function encodedByte(byte: number): string {
  if (byte === 0x20) return "_";
  const char = String.fromCharCode(byte);
  return /[A-Za-z0-9!*+/-]/.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}
