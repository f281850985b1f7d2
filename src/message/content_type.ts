/** A word, a quoted string without its quotes, or a special character, which is its own type (RFC 2045 §5.1). */
interface Token {
  readonly type: string;
  readonly value: string;
}

/** What a body is, as far as the structure of a message goes. */
export interface BodyType {
  readonly type: "text" | "message" | "multipart" | "other";
  /** Of a `message` only. */
  readonly subtype: "rfc822" | "global" | "partial" | "external-body" | "other";
}

/** What a Content-Type field says (RFC 2046 §5). */
export interface ContentType {
  /** Undefined for `image/png` and the like: what was said or is usual before it stays, as in Postfix. */
  readonly body: BodyType | undefined;
  /** Of a multipart, in order. More than one is an error that a check must not be evaded by: each of them counts. */
  readonly boundaries: readonly string[];
  /** What the parts of a multipart are unless they say it (RFC 2046 §5.1.5). */
  readonly parts: BodyType;
}

/** What a body is that declares nothing (RFC 2045 §5.2). */
export const PLAIN_TEXT: BodyType = { type: "text", subtype: "other" };
/** A message with its own header. */
const ATTACHED: BodyType = { type: "message", subtype: "rfc822" };
/** Neither text, message nor multipart. */
export const OTHER_BODY: BodyType = { type: "other", subtype: "other" };

const TSPECIALS = '()<>@,;:\\"/[]?=';
/** RFC 822's, which a Content-Transfer-Encoding is read with. */
const SPECIALS = '()<>@,;:\\".[]';
const isBlank = (char: string) => char === " " || char === "\t" || char === "\r" || char === "\n";
const isControl = (char: string) => char < " " || char === "\x7f";

/** Behind the comment that starts at `at`; comments nest, and one without an end takes the rest. */
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

/** A regular expression would look at a run of blanks again from each of them. */
function withoutBlanksAtEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** What stands between quotes, unfolded; without an end it is the rest. */
function quotedString(text: string, at: number): readonly [value: string, next: number] {
  let lines = "";
  let line = "";
  for (; at < text.length; at++) {
    let char = text[at]!;
    if (char === '"') return [lines + line, at + 1];
    if (char === "\n") {
      lines += withoutBlanksAtEnd(line);
      line = "";
      continue;
    }
    if (char === "\\") {
      if (++at >= text.length) break;
      char = text[at]!;
    }
    line += char;
  }
  return [lines + line, at];
}

/** The next token from `at` on, or undefined when only blanks and comments are left. */
function tokenAt(text: string, at: number, specials: string): readonly [Token, next: number] | undefined {
  for (; at < text.length; at++) {
    const char = text[at]!;
    if (isBlank(char)) continue;
    if (char === "(") {
      at = afterComment(text, at) - 1;
      continue;
    }
    if (char === '"') {
      const [value, next] = quotedString(text, at + 1);
      return [{ type: "quoted", value }, next];
    }
    if (specials.includes(char) || isControl(char)) return [{ type: char, value: char }, at + 1];
    let end = at + 1;
    while (
      end < text.length && !isBlank(text[end]!) && !isControl(text[end]!) && !specials.includes(text[end]!)
    ) {
      end++;
    }
    return [{ type: "token", value: text.slice(at, end) }, end];
  }
  return undefined;
}

/** The items of a field's value between its semicolons, as tokens. */
function itemsOf(text: string): Token[][] {
  const items: Token[][] = [[]];
  for (let next = tokenAt(text, 0, TSPECIALS); next !== undefined; next = tokenAt(text, next[1], TSPECIALS)) {
    if (next[0].type === ";") items.push([]);
    else items.at(-1)!.push(next[0]);
  }
  return items;
}

const is = (token: Token | undefined, word: string) =>
  token?.type === "token" && token.value.toLowerCase() === word;

const MESSAGES = ["rfc822", "global", "partial", "external-body"] as const;

function bodyType([type, slash, subtype]: readonly Token[]): BodyType | undefined {
  if (type === undefined) return OTHER_BODY;
  if (is(type, "text")) return PLAIN_TEXT;
  if (is(type, "multipart")) return { type: "multipart", subtype: "other" };
  if (!is(type, "message")) return undefined;
  const known = slash?.type === "/" ? MESSAGES.find((word) => is(subtype, word)) : undefined;
  return { type: "message", subtype: known ?? "other" };
}

const isDigest = ([, slash, subtype]: readonly Token[]) => slash?.type === "/" && is(subtype, "digest");

/** Reads the value of a Content-Type field; its lines are joined by LF or CR LF. */
export function readContentType(value: string): ContentType {
  const [first = [], ...parameters] = itemsOf(value.replaceAll("\r\n", "\n"));
  const body = bodyType(first);
  const boundaries = body?.type !== "multipart"
    ? []
    : parameters.flatMap(([name, equals, given]) =>
      is(name, "boundary") && equals?.type === "=" && given !== undefined ? [given.value] : []
    );
  return { body, boundaries, parts: isDigest(first) ? ATTACHED : PLAIN_TEXT };
}

/** How a body is encoded, and what of bytes there is in it then: `domain` (RFC 2045 §6). */
export interface Encoding {
  readonly name: "7bit" | "8bit" | "binary" | "base64" | "quoted-printable";
  readonly domain: "7bit" | "8bit" | "binary";
}

/** The encoding of a body that declares none (RFC 2045 §6.1). */
export const SEVEN_BIT: Encoding = { name: "7bit", domain: "7bit" };

const ENCODINGS: readonly Encoding[] = [
  SEVEN_BIT,
  { name: "8bit", domain: "8bit" },
  { name: "binary", domain: "binary" },
  { name: "base64", domain: "7bit" },
  { name: "quoted-printable", domain: "7bit" },
];

/** Reads the value of a Content-Transfer-Encoding field; undefined when it names no known encoding. */
export function readEncoding(value: string): Encoding | undefined {
  const [token] = tokenAt(value, 0, SPECIALS) ?? [];
  return ENCODINGS.find(({ name }) => is(token, name));
}
