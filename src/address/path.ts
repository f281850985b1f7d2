import { type Address, internalAddress } from "./address.ts";
import { isAddressLiteral } from "./host_address.ts";
import { isHostname } from "./hostname.ts";

/** How tolerant the reading of a MAIL or RCPT path is. */
export interface PathOptions {
  /** strict_rfc821_envelopes: angle brackets are a must, comments and `@domain` are refused. */
  readonly strict?: boolean;
  /** resolve_numeric_domain: `user@192.0.2.1` is taken as `user@[192.0.2.1]`. */
  readonly numericDomain?: boolean;
  /** Domains may hold letters beyond ASCII (SMTPUTF8 was asked for). */
  readonly utf8?: boolean;
  /** allow_min_user: a local part may start with `-`. */
  readonly minUser?: boolean;
  /** resolve_null_domain: `user@` is mail for this host. */
  readonly nullDomain?: boolean;
  /** What else says who is meant when nothing follows the last `@`: resolve_dequoted_address, allow_percent_hack, swap_bangpath. */
  readonly dequoted?: boolean;
  readonly percent?: boolean;
  readonly bangs?: boolean;
}

// The usual path: `<local@domain>` of plain atoms. Everything else takes the tolerant way.
const PLAIN =
  /^<([\w!#$&'*+/=?^`{|}~][\w!#$%&'*+/=?^`{|}~-]*(?:\.[\w!#$&'*+/=?^`{|}~-]+)*@([\w-]+(?:\.[\w-]+)*))>$/;

const LEXEME =
  /[ \t]+|"((?:[^"\\]|\\[^])*)"|\[((?:[^\]\\]|\\[^])*)(?:\]|$)|\(|((?:[^\x00-\x20\x7f()<>@,;:\\".[\]]|\\[^])+)|[<>@,;:.]|[^]/gy;

/** `word` may not touch another word; `sign` is a special character on its own. */
interface Lexeme {
  readonly is: "word" | "literal" | "sign" | "bad";
  readonly text: string;
}

function endOfComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === "\\") at++;
    else if (char === "(") depth++;
    else if (char === ")" && --depth === 0) return at + 1;
  }
  return text.length;
}

/** Without backslashes; tabs and line ends are blanks, as in Postfix, so that an address stays one line. */
const unescape = (text: string) =>
  /[\\\t\r\n]/.test(text) ? text.replace(/\\([^])/g, "$1").replace(/[\t\r\n]/g, " ") : text;

/** The lexemes of an address, blanks and comments dropped (RFC 5322 §3.2); undefined when strict and there is a comment. */
function scan(text: string, strict: boolean): Lexeme[] | undefined {
  const out: Lexeme[] = [];
  LEXEME.lastIndex = 0;
  while (LEXEME.lastIndex < text.length) {
    const match = LEXEME.exec(text);
    if (match === null) break;
    const [whole, quoted, literal, atom] = match;
    if (whole[0] === " " || whole[0] === "\t") continue;
    if (whole === "(") {
      if (strict) return undefined;
      LEXEME.lastIndex = endOfComment(text, match.index);
    } else if (quoted !== undefined) out.push({ is: "word", text: unescape(quoted) });
    else if (literal !== undefined) out.push({ is: "literal", text: `[${unescape(literal)}]` });
    else if (atom !== undefined) out.push({ is: "word", text: unescape(atom) });
    else out.push({ is: /[<>@,;:.]/.test(whole) ? "sign" : "bad", text: whole });
  }
  return out;
}

const isSign = (lexeme: Lexeme | undefined, sign: string) => lexeme?.is === "sign" && lexeme.text === sign;

/** What is inside an inner `<...>`, if there is one; undefined when brackets do not pair up. */
function insideBrackets(lexemes: Lexeme[]): Lexeme[] | undefined {
  const open = lexemes.findIndex((lexeme) => isSign(lexeme, "<"));
  const last = lexemes.length - 1;
  if (open < 0) return isSign(lexemes[last], ">") ? lexemes.slice(0, last) : lexemes;
  if (!isSign(lexemes[last], ">")) return undefined;
  return lexemes.slice(open + 1, last);
}

/** Takes a source route off: `@a,@b:user@c` means `user@c` (RFC 5321 §4.1.1.3, appendix C). */
function withoutRoute(lexemes: Lexeme[]): Lexeme[] {
  if (!isSign(lexemes[0], "@")) return lexemes;
  const colon = lexemes.findIndex((lexeme) => isSign(lexeme, ":"));
  return colon < 0 ? lexemes : lexemes.slice(colon + 1);
}

function wordsTouch(lexemes: readonly Lexeme[]): boolean {
  return lexemes.some((lexeme, i) => i > 0 && lexeme.is !== "sign" && lexemes[i - 1]!.is !== "sign");
}

/** Internal form of the address in `text`, blanks, comments, brackets, quotes and route taken off. */
function internalize(text: string, strict: boolean): Address | undefined {
  const scanned = scan(text, strict);
  if (scanned === undefined) return undefined;
  const inside = insideBrackets(scanned);
  if (inside === undefined) return undefined;
  if (isSign(inside.at(-1), ";")) inside.pop();
  const lexemes = withoutRoute(inside);
  if (lexemes.some((l) => l.is === "bad" || (l.is === "sign" && /[<>,;]/.test(l.text)))) return undefined;
  if (wordsTouch(lexemes)) return undefined;
  return internalAddress(lexemes.map((lexeme) => lexeme.text).join(""));
}

function domainIsGood(domain: string, options: PathOptions): boolean {
  const name = domain.endsWith(".") ? domain.slice(0, -1) : domain;
  if (name.startsWith("[")) return name.endsWith("]") && isAddressLiteral(name.slice(1, -1));
  if (options.numericDomain && isAddressLiteral(name) && !name.includes(":")) return true;
  if (!options.utf8 && /[^\x00-\x7f]/.test(name)) return false;
  return isHostname(name);
}

/** Whether mail could be routed by this internal address at all; the empty one is for the caller to judge. */
function isRoutable(address: string, options: PathOptions): boolean {
  if (address.startsWith("-") && !options.minUser) return false;
  const at = address.lastIndexOf("@");
  if (at >= 0 && at === address.length - 1) return isRoutableWithout(address.slice(0, at), options);
  return at < 0 || domainIsGood(address.slice(at + 1), options);
}

/** The same for what stands before a final `@`: it is resolved further, as trivial-rewrite(8) does. */
function isRoutableWithout(local: string, options: PathOptions): boolean {
  const { nullDomain = false, dequoted, percent, bangs } = options;
  if (local.includes("@")) return dequoted === true ? isRoutable(local, options) : nullDomain;
  if (bangs === true && local.includes("!")) return domainIsGood(local.slice(0, local.indexOf("!")), options);
  if (percent === true && local.includes("%")) {
    return domainIsGood(local.slice(local.lastIndexOf("%") + 1), options);
  }
  return nullDomain;
}

/** An opening bracket asks for a closing one; the outermost pair comes off. */
function withoutOuterBrackets(text: string): string | undefined {
  if (!text.startsWith("<")) return text;
  return text.endsWith(">") ? text.slice(1, -1) : undefined;
}

/**
 * Reads the path of MAIL FROM or RCPT TO into internal form, with Postfix's tolerance: missing or doubled brackets,
 * blanks, comments and source routes (RFC 5321 §4.1.2). "" is the null path; undefined means bad syntax.
 */
export function parsePath(text: string, options: PathOptions = {}): Address | undefined {
  const plain = PLAIN.exec(text);
  if (plain !== null && isHostname(plain[2]!)) return internalAddress(plain[1]!);
  if (options.strict && !text.startsWith("<")) return undefined;
  const inner = withoutOuterBrackets(text);
  if (inner === undefined) return undefined;
  const address = internalize(inner, options.strict ?? false);
  if (address === undefined || (options.strict && address.startsWith("@"))) return undefined;
  return address === "" || isRoutable(address, options) ? address : undefined;
}

/** Atoms and dots around one `@`: the internal form of such an address is what is written. */
const USUAL = /^[^\x00-\x20\x7f()<>@,;:\\"[\]]+@[^\x00-\x20\x7f()<>@,;:\\"[\]]+$/;

/** Internal form of one address as headers and tables write it (RFC 5322 §3.4.1): no check whether mail could go there. */
export function readAddress(text: string): Address | undefined {
  return USUAL.test(text) ? internalAddress(text) : internalize(text, false);
}
