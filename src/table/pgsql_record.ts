const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE] = [0x22, 0x5c, 0x2c, 0x28, 0x29];

/**
 * The fields of a row that the server has written as one text, `(a,"b ""c""",,"")`: quoted where they hold anything special,
 * nothing at all for NULL (PostgreSQL, composite types).
 */
export function recordFields(text: Uint8Array): (Uint8Array | null)[] {
  if (text[0] !== OPEN || text[text.length - 1] !== CLOSE) throw new Error("a row that is no record");
  const fields: (Uint8Array | null)[] = [];
  let at = 1;
  while (at < text.length) {
    const start = at;
    const quoted = text[at] === QUOTE;
    at = quoted ? endOfQuoted(text, at + 1) : endOfPlain(text, at);
    fields.push(
      quoted ? unquoted(text.subarray(start + 1, at - 1)) : at === start ? null : text.subarray(start, at),
    );
    at++; // the comma, or the bracket at the end
  }
  return fields;
}

function endOfPlain(text: Uint8Array, start: number): number {
  let at = start;
  while (at < text.length - 1 && text[at] !== COMMA) at++;
  return at;
}

/** One behind the closing quote. */
function endOfQuoted(text: Uint8Array, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === BACKSLASH) at++;
    else if (text[at] === QUOTE && text[++at] !== QUOTE) return at;
  }
  throw new Error("a row that is no record");
}

/** Quotes and backslashes are doubled. */
function unquoted(inside: Uint8Array): Uint8Array {
  if (!inside.includes(QUOTE) && !inside.includes(BACKSLASH)) return inside;
  const bytes = new Uint8Array(inside.length);
  let length = 0;
  for (let at = 0; at < inside.length; at++) {
    if (inside[at] === QUOTE || inside[at] === BACKSLASH) at++;
    bytes[length++] = inside[at]!;
  }
  return bytes.subarray(0, length);
}
