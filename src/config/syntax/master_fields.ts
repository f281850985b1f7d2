import { splitNameValue, trimAscii } from "./logical_lines.ts";
import { balancedLength, stripBraces } from "./list.ts";

/** A line of master.cf as words: seven fields, the program, its arguments (master(5)). */
export interface MasterFields {
  /** Fields and arguments; `-o` and its value are two items, `name=value` without blanks round the `=`. */
  readonly words: readonly string[];
  /** Odd arguments, in postconf's words. */
  readonly warnings: readonly string[];
}

/** Fields before the arguments, the program included. */
export const FIELD_COUNT = 8;

const BLANK = /[ \t\r\n]/;

/** Splits on white space; `{...}` keeps it, braces and all. */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word = "";
  let level = 0;
  for (const char of text) {
    if (level === 0 && BLANK.test(char)) {
      if (word !== "") words.push(word);
      word = "";
      continue;
    }
    if (char === "{") level++;
    else if (char === "}" && level > 0) level--;
    word += char;
  }
  if (word !== "") words.push(word);
  return words;
}

/** The word without outer braces; a broken one loses what it can, as in Postfix, and earns a warning. */
function unbraced(word: string, warnings: string[]): string {
  const inner = stripBraces(word);
  if (typeof inner === "string") return inner;
  warnings.push(inner.text);
  const length = balancedLength(word);
  return trimAscii(length === 0 ? word.slice(1) : word.slice(1, length - 1));
}

/** `name = value` inside braces becomes `name=value`. */
function normalized(pair: string, warnings: string[]): string {
  const parsed = splitNameValue(pair);
  if (typeof parsed !== "string") return `${parsed.name}=${parsed.value}`;
  warnings.push(`${parsed}: "${pair}"`);
  return pair;
}

/** Whether a word is among the daemon's own options. */
export function isOption(word: string): boolean {
  return word.startsWith("-") && word !== "--";
}

/**
 * Takes the options apart: `-vo x=y` is `-v`, `-o`, `x=y`; long forms lose their braces. The daemons read `-ofoo=bar` as
 * the option it is, while postconf(1) finds another `-o` in it: `like` tells whose eyes to use.
 */
export function normalizeWords(
  words: readonly string[],
  like: "daemon" | "postconf" = "daemon",
): MasterFields {
  const out = words.slice(0, FIELD_COUNT);
  const warnings: string[] = [];
  const rest = words.slice(FIELD_COUNT);
  while (rest.length > 0 && isOption(rest[0]!)) takeOption(rest, out, warnings, like);
  for (const word of rest) out.push(word.startsWith("{") ? unbraced(word, warnings) : word);
  return { words: out, warnings };
}

function takeOption(rest: string[], out: string[], warnings: string[], like: "daemon" | "postconf"): void {
  const word = rest.shift()!;
  const at = like === "postconf" && word.length > 2 && word.includes("o", 2)
    ? word.indexOf("o", 2)
    : word.indexOf("o", 1);
  if (at > 1) {
    rest.unshift(word.slice(0, at), `-${word.slice(at)}`);
    if (word[1] === "o") return takeOption(rest, out, warnings, like);
    out.push(rest.shift()!);
    return;
  }
  if (at < 0) return void out.push(word);
  out.push("-o");
  const value = word.length > 2 ? word.slice(2) : rest.shift();
  if (value === undefined) return;
  out.push(value.startsWith("{") ? normalized(unbraced(value, warnings), warnings) : value);
}

/** A logical line of master.cf as normalized words. */
export function masterFields(text: string): MasterFields {
  return normalizeWords(splitWords(text));
}

/** The `-o name=value` pairs of normalized words, in order, and where the other arguments begin. */
export function optionsOf(words: readonly string[]): {
  readonly pairs: readonly string[];
  readonly verbose: number;
  readonly unknown: readonly string[];
  readonly args: readonly string[];
} {
  const pairs: string[] = [];
  const unknown: string[] = [];
  let verbose = 0;
  let at = FIELD_COUNT;
  for (; at < words.length && isOption(words[at]!); at++) {
    const word = words[at]!;
    if (word === "-o") {
      if (++at < words.length) pairs.push(words[at]!);
      else unknown.push(word);
      continue;
    }
    for (const letter of word.slice(1)) {
      if (letter === "v") verbose++;
      else if (letter !== "D") unknown.push(`-${letter}`);
    }
  }
  const args = words.slice(words[at] === "--" ? at + 1 : at);
  return { pairs, verbose, unknown, args };
}
