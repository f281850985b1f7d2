/** A piece of an address as RFC 822 §3.3 splits it; `operator` covers the specials and Postfix's routing signs `% ! |`. */
export interface Token {
  readonly type: "atom" | "quoted" | "literal" | "comment" | "operator";
  /** Without quotes, brackets and backslashes; a comment keeps its parentheses. */
  readonly text: string;
  /** Moved by a rewriting rule: printed without a blank behind it (Postfix's unparser). */
  readonly moved?: true;
}

const OPERATORS = new Set('|%!()<>@,;:\\".[]');
const BLANKS = new Set(" \t\r\n");

/** Text up to where `ends` says so, without backslashes: each takes the next character along, a last one vanishes. */
function collect(
  source: string,
  from: number,
  ends: (char: string) => boolean,
): { text: string; next: number } {
  let text = "";
  let at = from;
  for (; at < source.length; at++) {
    if (source[at] === "\\") {
      if (++at >= source.length) break;
    } else if (ends(source[at]!)) break;
    text += BLANKS.has(source[at]!) ? " " : source[at];
  }
  return { text, next: at };
}

/** Text up to an unescaped `close`, and where reading goes on behind it. */
function collectUntil(source: string, from: number, close: string): { text: string; next: number } {
  const { text, next } = collect(source, from, (char) => char === close);
  return { text, next: next + 1 };
}

/** A comment with its parentheses, nested ones included. */
function collectComment(source: string, from: number): { text: string; next: number } {
  let level = 0;
  let at = from;
  for (; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === "(") level++;
    else if (source[at] === ")" && --level === 0) break;
  }
  return { text: source.slice(from, at + 1), next: at + 1 };
}

/** An atom; what its backslashes bring in may need quotes, then it is a quoted string. */
function collectAtom(source: string, from: number): { token: Token; next: number } {
  const { text, next } = collect(source, from, (char) => BLANKS.has(char) || OPERATORS.has(char));
  const needsQuotes = [...text].some((char) => OPERATORS.has(char) || /[\x00-\x20\x7f]/.test(char));
  return { token: { type: needsQuotes ? "quoted" : "atom", text }, next };
}

/** Splits an address in external form into tokens; blanks between tokens vanish (RFC 822 §3.3). */
export function scanTokens(source: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < source.length;) {
    const char = source[at]!;
    if (BLANKS.has(char)) {
      at++;
    } else if (char === '"' || char === "[") {
      const { text, next } = collectUntil(source, at + 1, char === '"' ? '"' : "]");
      tokens.push({ type: char === '"' ? "quoted" : "literal", text });
      at = next;
    } else if (char === "(") {
      const { text, next } = collectComment(source, at);
      tokens.push({ type: "comment", text });
      at = next;
    } else if (char !== "\\" && OPERATORS.has(char)) {
      tokens.push({ type: "operator", text: char });
      at++;
    } else {
      const { token, next } = collectAtom(source, at);
      tokens.push(token);
      at = next;
    }
  }
  return tokens;
}

/** Internal form of tokens: no quotes; a blank between words, after a comma and before `<`. */
export function printTokens(tokens: readonly Token[]): string {
  let out = "";
  tokens.forEach((token, at) => {
    out += token.type === "literal" ? `[${token.text}]` : token.text;
    if (at + 1 < tokens.length && needsBlank(token, tokens[at + 1]!)) out += " ";
  });
  return out;
}

function needsBlank(token: Token, next: Token): boolean {
  if (token.moved) return false;
  if (isOperator(token, ",") || isOperator(next, "<")) return true;
  return token.type !== "operator" && next.type !== "operator";
}

/** Whether a token is this operator. */
export function isOperator(token: Token | undefined, sign: string): boolean {
  return token !== undefined && token.type === "operator" && token.text === sign;
}

/** Index of the first such operator, or -1. */
export function firstOperator(tokens: readonly Token[], sign: string): number {
  return tokens.findIndex((token) => isOperator(token, sign));
}

/** Index of the last such operator, or -1. */
export function lastOperator(tokens: readonly Token[], sign: string): number {
  return tokens.findLastIndex((token) => isOperator(token, sign));
}

/** An operator token. */
export function operator(sign: string): Token {
  return { type: "operator", text: sign };
}
