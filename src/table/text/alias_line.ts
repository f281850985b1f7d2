/** A line of an alias file: the name in internal form, the value in external form (aliases(5)). */
export interface AliasLine {
  readonly name: string;
  readonly value: string;
}

/** A token of RFC 822 text; a special stands for itself. */
type Token =
  | { readonly is: "atom" | "quoted" | "comment" | "literal"; readonly text: string }
  | { readonly is: "special"; readonly text: string };

const SPECIALS = '|%!()<>@,;:\\".[]';
const CLOSING = { '"': "quoted", "(": "comment", "[": "literal" } as const;

/** Vertical tabs and form feeds are white space to the lines of a source, but not to RFC 822. */
const isSpace = (char: string) => char === " " || char === "\t" || char === "\r" || char === "\n";
const flat = (char: string) => char === "\t" || char === "\r" || char === "\n" ? " " : char;

/** Reads what is between `"` `"`, `(` `)` (nested) or `[` `]`; a backslash takes the next character along. */
function enclosed(text: string, start: number): readonly [inner: string, next: number] {
  const open = text[start]!;
  const close = open === "(" ? ")" : open === "[" ? "]" : '"';
  let inner = "";
  let level = 1;
  let at = start + 1;
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (char === "\\" && at + 1 < text.length) {
      if (open !== '"') inner += char;
      inner += flat(text[++at]!);
      continue;
    }
    if (open === "(" && char === "(") level++;
    else if (char === close && --level === 0) return [inner, at + 1];
    inner += flat(char);
  }
  return [inner, at];
}

function atom(text: string, start: number): readonly [inner: string, next: number] {
  let inner = "";
  let at = start;
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (char === "\\") {
      if (++at < text.length) inner += flat(text[at]!);
    } else if (isSpace(char) || SPECIALS.includes(char)) break;
    else inner += char;
  }
  return [inner, at];
}

function tokens(text: string): Token[] {
  const out: Token[] = [];
  for (let at = 0; at < text.length;) {
    const char = text[at]!;
    if (isSpace(char)) at++;
    else if (char === '"' || char === "(" || char === "[") {
      const [inner, next] = enclosed(text, at);
      out.push({ is: CLOSING[char], text: inner });
      at = next;
    } else if (SPECIALS.includes(char) && char !== "\\") {
      out.push({ is: "special", text: char });
      at++;
    } else {
      const [inner, next] = atom(text, at);
      out.push({ is: "atom", text: inner });
      at = next;
    }
  }
  return out;
}

const isSpecial = (token: Token | undefined, char: string) => token?.is === "special" && token.text === char;

const NEEDS_QUOTES = /[\x00-\x20\x7f()<>@,;:\\".[\]|%!]/;
const quoted = (text: string) => `"${text.replace(/[\\"]/g, "\\$&")}"`;

function external(token: Token): string {
  if (token.is === "quoted") return quoted(token.text);
  if (token.is === "comment") return `(${token.text})`;
  if (token.is === "literal") return `[${token.text}]`;
  if (token.is === "atom" && NEEDS_QUOTES.test(token.text)) return quoted(token.text);
  return token.text;
}

function internal(token: Token): string {
  if (token.is === "comment") return `(${token.text})`;
  if (token.is === "literal") return `[${token.text}]`;
  return token.text;
}

/** Puts tokens together again: a blank between words, before `<` and behind each `,`, and nowhere else. */
function print(list: readonly Token[], form: (token: Token) => string): string {
  let out = "";
  list.forEach((token, at) => {
    const before = list[at - 1];
    const isInner = before !== undefined && !isSpecial(before, ",");
    const meet = isInner && before.is !== "special" && token.is !== "special";
    out += (meet || (isInner && isSpecial(token, "<")) ? " " : "") + form(token);
    if (isSpecial(token, ",")) out += " ";
  });
  return out;
}

/** Reads `name: value` (aliases(5)); answers postalias(1)'s complaint when it is not that. */
export function parseAliasLine(text: string): AliasLine | string {
  const list = tokens(text);
  const colon = list.findIndex((token) => isSpecial(token, ":"));
  const name = list.slice(0, colon);
  const value = list.slice(colon + 1);
  if (colon <= 0 || value.length === 0 || name.some((token) => isSpecial(token, ","))) {
    return "need name:value pair";
  }
  if (name.some((token) => isSpecial(token, "@") || isSpecial(token, "%"))) return "name must be local";
  return { name: print(name, internal), value: print(value, external) };
}
