/** Letters whose default full case folding (Unicode 15) is not their upper case put to lower case again. */
function foldCodePoint(char: string): string {
  const code = char.codePointAt(0)!;
  if (code === 0x131 || (code >= 0x13a0 && code <= 0x13f5)) return char;
  if (code >= 0x13f8 && code <= 0x13fd) return String.fromCodePoint(code - 8);
  if (code >= 0xab70 && code <= 0xabbf) return String.fromCodePoint(code - 0xab70 + 0x13a0);
  if (code === 0x1e9e) return "ss";
  return char.toUpperCase().toLowerCase();
}

const ASCII = /^[\x00-\x7f]*$/;

/** Folds a key as postmap(1) does: ASCII to lower case, other text by Unicode full case folding, code point by code point. */
export function foldKey(key: string): string {
  if (ASCII.test(key)) return key.toLowerCase();
  let out = "";
  for (const char of key) out += foldCodePoint(char);
  return out;
}

/** Folds A to Z only, for keys that are bytes (postmap -u). */
function foldAscii(key: string): string {
  return ASCII.test(key) ? key.toLowerCase() : key.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** How keys are folded where a table is opened: not at all (postmap -f), bytes, or text. */
export function foldingOf(
  { fold, encoding }: { readonly fold?: boolean; readonly encoding?: "utf8" | "latin1" },
): (key: string) => string {
  if (fold === false) return (key) => key;
  return encoding === "latin1" ? foldAscii : foldKey;
}
