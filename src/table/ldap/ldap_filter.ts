import { BAD_FILTER, LdapFault } from "./ldap_result_codes.ts";

/** A search filter, taken apart (RFC 4511 §4.5.1). Values are bytes. */
export type LdapFilter =
  | { readonly is: "and" | "or"; readonly of: readonly LdapFilter[] }
  | { readonly is: "not"; readonly of: LdapFilter }
  | { readonly is: "present"; readonly attribute: string }
  | {
    readonly is: "equal" | "greater" | "less" | "approximate";
    readonly attribute: string;
    readonly value: Buffer;
  }
  /** `pieces` are what stands around the stars: the first and the last may be empty. */
  | { readonly is: "substrings"; readonly attribute: string; readonly pieces: readonly Buffer[] }
  | {
    readonly is: "extensible";
    readonly attribute: string;
    readonly rule: string;
    readonly ofDn: boolean;
    readonly value: Buffer;
  };

/** Makes a text harmless inside a filter's value (RFC 4515 §3). */
export function quoteForFilter(text: string): string {
  return text.replace(/[*()\\\0]/g, hex);
}

/** Makes a text harmless inside a DN's attribute value (RFC 4514 §2.4). */
export function quoteForDn(text: string): string {
  return text.replace(/[\0 \t"#+,;<=>\\]/g, hex);
}

const hex = (char: string) => `\\${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;

/** Filters of filters of ... deeper than this are refused. */
const DEPTH = 64;

/**
 * Reads a filter as libldap does (RFC 4515, with blanks allowed around parentheses and no need for the outermost ones). Throws
 * an LdapFault.
 */
export function parseFilter(text: string): LdapFilter {
  const trimmed = text.trim();
  const reader = new FilterReader(trimmed.startsWith("(") ? trimmed : `(${trimmed})`);
  const filter = reader.filter(0);
  return reader.atEnd() ? filter : reader.bad("something follows the last parenthesis");
}

class FilterReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  bad(why: string): never {
    throw new LdapFault(BAD_FILTER, `${this.#text}: ${why}`);
  }

  atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  #blanks(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  filter(depth: number): LdapFilter {
    if (depth > DEPTH) this.bad(`more than ${DEPTH} levels`);
    this.#take("(");
    const filter = this.#inside(depth);
    this.#take(")");
    return filter;
  }

  #take(char: string): void {
    this.#blanks();
    if (this.#text[this.#at] !== char) this.bad(`"${char}" is missing`);
    this.#at++;
    this.#blanks();
  }

  #inside(depth: number): LdapFilter {
    const operator = this.#text[this.#at];
    if (operator === "&" || operator === "|") {
      this.#at++;
      return { is: operator === "&" ? "and" : "or", of: this.#list(depth) };
    }
    if (operator !== "!") return this.#item();
    this.#at++;
    return { is: "not", of: this.filter(depth + 1) };
  }

  #list(depth: number): LdapFilter[] {
    const list: LdapFilter[] = [];
    for (this.#blanks(); this.#text[this.#at] === "("; this.#blanks()) list.push(this.filter(depth + 1));
    return list;
  }

  #item(): LdapFilter {
    const end = this.#text.indexOf(")", this.#at);
    const item = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#at += item.length;
    return parseItem(item, (why) => this.bad(why));
  }
}

const DESCRIPTION = "(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\\.[0-9]+)*)(?:;[A-Za-z0-9-]+)*";
const ITEM = new RegExp(`^(${DESCRIPTION})?(?:(:dn)?(?::(?!=)([^:=]+))?(:=)|(=|>=|<=|~=))([\\s\\S]*)$`, "i");
const COMPARISONS = { "=": "equal", ">=": "greater", "<=": "less", "~=": "approximate" } as const;

/** One comparison: what stands between two parentheses. */
function parseItem(item: string, bad: (why: string) => never): LdapFilter {
  const match = ITEM.exec(item);
  if (match === null) return bad(`"${item}" is no comparison`);
  const [, attribute = "", dn, rule = "", extensible, sign, text = ""] = match;
  if (extensible !== undefined) {
    if (attribute === "" && rule === "") return bad(`"${item}" names no attribute`);
    return { is: "extensible", attribute, rule, ofDn: dn !== undefined, value: unescape(text, bad) };
  }
  if (attribute === "") return bad(`"${item}" names no attribute`);
  const is = COMPARISONS[sign as keyof typeof COMPARISONS];
  if (is !== "equal" || !text.includes("*")) return { is, attribute, value: unescape(text, bad) };
  if (text === "*") return { is: "present", attribute };
  return { is: "substrings", attribute, pieces: text.split("*").map((piece) => unescape(piece, bad)) };
}

/** The bytes of a value: `\2A` is a byte, everything else is itself (RFC 4515 §3). */
function unescape(text: string, bad: (why: string) => never): Buffer {
  if (/[*()\0]/.test(text)) return bad(`"${text}" has a character that must be escaped`);
  if (!text.includes("\\")) return Buffer.from(text);
  const parts = text.split(/(\\[\s\S]{0,2})/);
  return Buffer.concat(parts.map((part) => {
    if (!part.startsWith("\\")) return Buffer.from(part);
    return /^\\[0-9a-f]{2}$/i.test(part)
      ? Buffer.from(part.slice(1), "hex")
      : bad(`"${part}" is no escaped byte`);
  }));
}
