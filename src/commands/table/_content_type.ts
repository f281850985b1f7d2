/** A word, a quoted string without its quotes, or a special character, which is its own type (RFC 2045 §5.1). */
export interface ContentToken {
  readonly type: string;
  readonly value: string;
}

const SPECIALS = '()<>@,;:\\"/[]?=';
const isBlank = (char: string) => char === " " || char === "\t" || char === "\r" || char === "\n";
const isSpecial = (char: string) => SPECIALS.includes(char) || char < " " || char === "\x7f";

/** Behind the comment that starts at `at`; comments nest. */
function afterComment(text: string, at: number): number {
  let level = 0;
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (char === "\\") at++;
    else if (char === "(") level++;
    else if (char === ")" && --level === 0) return at + 1;
  }
  return text.length;
}

/** What stands between quotes, unfolded. */
function quotedString(text: string, at: number): readonly [value: string, next: number] {
  let value = "";
  for (; at < text.length; at++) {
    let char = text[at]!;
    if (char === '"') return [value, at + 1];
    if (char === "\n") {
      value = value.replace(/[ \t\r]+$/, "");
      continue;
    }
    if (char === "\\") {
      if (++at >= text.length) break;
      char = text[at]!;
    }
    value += char;
  }
  return [value, at];
}

/** The parts of a Content-Type's value between its semicolons, as tokens. */
export function contentTypeParts(text: string): ContentToken[][] {
  const parts: ContentToken[][] = [[]];
  for (let at = 0; at < text.length;) {
    const char = text[at]!;
    const part = parts.at(-1)!;
    if (isBlank(char)) at++;
    else if (char === ";") {
      parts.push([]);
      at++;
    } else if (char === "(") at = afterComment(text, at);
    else if (char === '"') {
      const [value, next] = quotedString(text, at + 1);
      part.push({ type: "quoted", value });
      at = next;
    } else if (isSpecial(char)) {
      part.push({ type: char, value: char });
      at++;
    } else {
      let end = at + 1;
      while (end < text.length && !isBlank(text[end]!) && !isSpecial(text[end]!)) end++;
      part.push({ type: "token", value: text.slice(at, end) });
      at = end;
    }
  }
  return parts;
}
