import { malformedLevel, parseLevel } from "../compatibility_level.ts";

/** What `$name` stands for: the raw text, expanded in its turn; undefined when there is no such parameter. */
export type Lookup = (name: string) => string | undefined;

/** The outcome of an expansion; `why` is Postfix's warning. */
export type Expansion = { readonly is: "text"; readonly text: string } | {
  readonly is: "error";
  readonly why: string;
};

/** Postfix gives up past this depth, which is how loops end. */
const DEEPEST = 100;
/** `a = $b$b`, `b = $c$c`, ... doubles at each step: these two bounds end it, long after any honest use. */
const MOST_STEPS = 100_000;
const LONGEST_RESULT = 4_194_304;

const BLANKS = " \t\n\v\f\r";

class ExpansionError extends Error {}

/** Stops the expansion with Postfix's reason. */
function stop(why: string): never {
  throw new ExpansionError(why);
}

/** State of one expansion. */
interface Run {
  readonly lookup: Lookup;
  /** Visit every branch and produce nothing: how postconf finds names and mistakes. */
  readonly scan: boolean;
  steps: number;
  length: number;
}

/** A moving place in a macro's text. */
interface Cursor {
  readonly text: string;
  at: number;
}

const isBlank = (char: string | undefined) => char !== undefined && char !== "" && BLANKS.includes(char);
const isWord = (char: string) => /^[A-Za-z0-9_]$/.test(char);

function skipBlanks(text: string, at: number): number {
  while (isBlank(text[at])) at++;
  return at;
}

/** At `{` after blanks? Then the cursor moves onto it. */
function atBrace(cursor: Cursor): boolean {
  const at = skipBlanks(cursor.text, cursor.at);
  if (cursor.text[at] !== "{") return false;
  cursor.at = at;
  return true;
}

/** The text inside the braces at the cursor, which moves past them and the blanks behind. */
function payload(cursor: Cursor): string {
  let level = 0;
  for (let at = cursor.at; at < cursor.text.length; at++) {
    if (cursor.text[at] === "{") level++;
    else if (cursor.text[at] === "}" && --level === 0) {
      const inner = cursor.text.slice(cursor.at + 1, at);
      cursor.at = skipBlanks(cursor.text, at + 1);
      return inner;
    }
  }
  return stop(`unbalanced {} in attribute expression: "${cursor.text.slice(cursor.at)}"`);
}

/** The text of `${...}` or `$(...)`; counts its own kind of bracket only. */
function bracketed(value: string, open: number): { inner: string; next: number } {
  const [opening, closing] = value[open] === "{" ? ["{", "}"] : ["(", ")"];
  let level = 1;
  for (let at = open + 1; at < value.length; at++) {
    if (value[at] === opening) level++;
    else if (value[at] === closing && --level === 0) {
      return { inner: value.slice(open + 1, at), next: at + 1 };
    }
  }
  return stop(`truncated macro reference: "${value}"`);
}

const WORD = /[A-Za-z0-9_]*/y;

/** The next macro at `$`: its text and where the value goes on. */
function macroAt(value: string, dollar: number): { inner: string; next: number } {
  const open = dollar + 1;
  let macro: { inner: string; next: number };
  if (value[open] === "{" || value[open] === "(") macro = bracketed(value, open);
  else {
    WORD.lastIndex = open;
    const inner = WORD.exec(value)![0];
    macro = { inner, next: open + inner.length };
  }
  return macro.inner === "" ? stop(`empty macro name: "${value}"`) : macro;
}

/** Expands one value; `depth` counts macros inside macros. */
function expandValue(run: Run, value: string, depth: number): string {
  let out = "";
  for (let at = 0; at < value.length;) {
    const dollar = value.indexOf("$", at);
    const literal = dollar < 0 ? value.slice(at) : value.slice(at, dollar);
    out += grown(run, literal);
    if (dollar < 0) break;
    if (value[dollar + 1] === "$") {
      out += grown(run, "$");
      at = dollar + 2;
      continue;
    }
    const macro = macroAt(value, dollar);
    out += evaluate(run, macro.inner, depth);
    at = macro.next;
  }
  return out;
}

/** Lets a literal into the result as long as the result stays bounded. */
function grown(run: Run, literal: string): string {
  run.length += literal.length;
  if (run.length > LONGEST_RESULT) stop(`unreasonable macro expansion: over ${LONGEST_RESULT} characters`);
  return run.scan ? "" : literal;
}

/** The value of what stands between the brackets. */
function evaluate(run: Run, inner: string, depth: number): string {
  if (depth > DEEPEST) stop(`unreasonable macro call nesting: "${inner}"`);
  if (++run.steps > MOST_STEPS) stop(`unreasonable macro expansion: over ${MOST_STEPS} macros in "${inner}"`);
  const cursor: Cursor = { text: inner, at: 0 };
  const value = atBrace(cursor) ? comparison(run, cursor, depth) : named(run, cursor, depth);
  const mark = cursor.text[cursor.at];
  if (mark === "?" || mark === ":") return choice(run, cursor, value, depth);
  if (value === undefined || value === "" || run.scan) return "";
  return typeof value === "string" ? expandValue(run, value, depth + 1) : value.text;
}

/** A comparison's answer is text already; a parameter's value is still to be expanded. */
type Operand = string | { readonly text: string } | undefined;

const isSet = (operand: Operand) => (typeof operand === "object" ? operand.text : operand ?? "") !== "";

/** `${domain_to_ascii{text}}`, Postfix 3.11's one function. */
const FUNCTION = "domain_to_ascii";

/** The domain in its ASCII form (RFC 5891), or as it was when it has none. */
function toAscii(domain: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(domain)) return domain;
  const url = URL.parse(`http://${domain}`);
  return url === null ? domain : url.hostname;
}

function asciiDomain(run: Run, cursor: Cursor, brace: number, depth: number): Operand {
  cursor.at = brace;
  const domain = expandValue(run, payload(cursor), depth + 1);
  endOfComparison(cursor);
  return { text: toAscii(domain) };
}

/** A parameter's name up to `?`, `:` or the end; its raw value. */
function named(run: Run, cursor: Cursor, depth: number): Operand {
  const start = skipBlanks(cursor.text, 0);
  for (cursor.at = start;; cursor.at++) {
    const ahead = skipBlanks(cursor.text, cursor.at);
    const mark = cursor.text[ahead];
    if (mark === undefined || mark === "?" || mark === ":") {
      const name = cursor.text.slice(start, cursor.at);
      cursor.at = ahead;
      return run.lookup(name);
    }
    if (mark === "{" && cursor.text.slice(start, cursor.at) === FUNCTION) {
      return asciiDomain(run, cursor, ahead, depth);
    }
    if (!isWord(cursor.text[cursor.at]!)) {
      const rest = cursor.text.slice(cursor.at, cursor.at + 20);
      stop(`attribute name syntax error at: "...${cursor.text.slice(0, cursor.at)}>>>${rest}"`);
    }
  }
}

const OPERATOR_TEXT = '"==" or "!="" or "<"" or "<="" or ">="" or ">"';
const OPERATOR = /[<>!=?+\-*/~&|%]*/y;
const SUFFIX = /[A-Za-z0-9]*/y;

type Test = (order: number) => boolean;
const OPERATORS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["==", (order) => order === 0],
  ["!=", (order) => order !== 0],
  ["<", (order) => order < 0],
  ["<=", (order) => order <= 0],
  [">=", (order) => order >= 0],
  [">", (order) => order > 0],
]);

/** `{l} op {r}`, then the end, `?` or `:`. */
function comparison(run: Run, cursor: Cursor, depth: number): Operand {
  const { text } = cursor;
  const left = payload(cursor);
  const start = cursor.at;
  OPERATOR.lastIndex = start;
  const operator = OPERATOR.exec(text)![0];
  const test = OPERATORS.get(operator);
  if (test === undefined) {
    return stop(`${OPERATOR_TEXT} expected at: "...${left}}>>>${text.slice(start, start + 20)}"`);
  }
  SUFFIX.lastIndex = cursor.at = start + operator.length;
  const suffix = SUFFIX.exec(text)![0];
  cursor.at += suffix.length;
  if (suffix !== "" && suffix !== "level") stop(`bad operator suffix at: "...${operator}>>>${suffix}"`);
  if (!atBrace(cursor)) {
    const rest = text.slice(cursor.at, cursor.at + 20);
    stop(`"{expression}" expected at: "...{${left}} ${operator}>>>${rest}"`);
  }
  const right = payload(cursor);
  const sides: [string, string] = [expandValue(run, left, depth + 1), expandValue(run, right, depth + 1)];
  endOfComparison(cursor);
  if (run.scan) return undefined;
  const order = suffix === "level" ? compareLevels(...sides) : compareValues(...sides);
  return { text: test(order) ? "true" : "" };
}

function endOfComparison({ text, at }: Cursor): void {
  const mark = text[at];
  if (mark === undefined || mark === "?" || mark === ":") return;
  stop(`"?" or ":" expected at: "...}>>>${text.slice(at, at + 20)}"`);
}

const DIGITS = /^[0-9]+$/;
const LARGEST_LONG = 9223372036854775807n;

function longOf(text: string): bigint {
  const value = BigInt(text);
  return value > LARGEST_LONG ? stop(`mac_exp_eval: bad conversion: ${text}`) : value;
}

/** Numbers when both sides are all digits, else bytes. */
function compareValues(left: string, right: string): number {
  if (!DIGITS.test(left) || !DIGITS.test(right)) return Buffer.compare(Buffer.from(left), Buffer.from(right));
  const [l, r] = [longOf(left), longOf(right)];
  return l < r ? -1 : l > r ? 1 : 0;
}

function compareLevels(left: string, right: string): number {
  const level = (text: string) => parseLevel(text) ?? stop(malformedLevel(text));
  return level(left) - level(right);
}

/** `?yes`, `?{yes}`, `?{yes}:no`, `:no` and their kin. The branch not taken is not looked at. */
function choice(run: Run, cursor: Cursor, value: Operand, depth: number): string {
  let out = "";
  if (cursor.text[cursor.at] === "?") {
    const { text: yes, more } = branch(cursor);
    if (isSet(value) || run.scan) out += expandValue(run, yes, depth + 1);
    if (!more) return out;
    if (cursor.text[cursor.at] !== ":") unexpected('":" expected at', yes, cursor);
  }
  const { text: no, more } = branch(cursor);
  if (!isSet(value) || run.scan) out += expandValue(run, no, depth + 1);
  if (more) unexpected("unexpected input at", no, cursor);
  return out;
}

/** The text after `?` or `:`; without braces it runs to the end. */
function branch(cursor: Cursor): { text: string; more: boolean } {
  cursor.at++;
  if (!atBrace(cursor)) {
    const text = cursor.text.slice(cursor.at);
    cursor.at = cursor.text.length;
    return { text, more: false };
  }
  const text = payload(cursor);
  return { text, more: cursor.at < cursor.text.length };
}

function unexpected(what: string, before: string, { text, at }: Cursor): never {
  return stop(`${what}: "...${before}}>>>${text.slice(at, at + 20)}"`);
}

function attempt(value: string, lookup: Lookup, scan: boolean): Expansion {
  try {
    return { is: "text", text: expandValue({ lookup, scan, steps: 0, length: 0 }, value, 0) };
  } catch (error) {
    if (error instanceof ExpansionError) return { is: "error", why: error.message };
    throw error;
  }
}

/** Expands `$name`, conditionals and comparisons in a value, recursively (postconf(5)). */
export function expand(value: string, lookup: Lookup): Expansion {
  return value.includes("$") ? attempt(value, lookup, false) : { is: "text", text: value };
}

/** Every name that a value mentions, in all branches, and the mistake that postconf would warn of. */
export function references(value: string): { readonly names: readonly string[]; readonly why?: string } {
  if (!value.includes("$")) return { names: [] };
  const names: string[] = [];
  const scanned = attempt(value, (name) => void names.push(name), true);
  return scanned.is === "error" ? { names, why: scanned.why } : { names };
}
