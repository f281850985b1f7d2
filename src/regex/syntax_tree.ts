/** Bytes that match: 1 at each of 256 places. Subjects are bytes, one a character, as Postfix's regular expressions see them. */
export type CharSet = Uint8Array;

/** A place condition. `end` is the very end, `final-end` also the place before a newline that ends the text. */
export type Place =
  | "start"
  | "end"
  | "final-end"
  | "line-start"
  | "line-end"
  | "word-edge"
  | "no-word-edge"
  | "word-start"
  | "word-end";

/** A regular expression, parsed. */
export type Node =
  | { readonly is: "set"; readonly set: CharSet }
  | { readonly is: "sequence" | "choice"; readonly items: readonly Node[] }
  | {
    readonly is: "repeat";
    readonly item: Node;
    readonly min: number;
    readonly max: number;
    readonly greedy: boolean;
  }
  | { readonly is: "group"; readonly index: number; readonly item: Node }
  | { readonly is: "place"; readonly place: Place }
  | { readonly is: "back"; readonly index: number; readonly ignoreCase: boolean }
  | { readonly is: "look"; readonly ahead: boolean; readonly negative: boolean; readonly item: Node }
  | { readonly is: "atomic"; readonly item: Node };

/** A pattern ready to be compiled. */
export interface ParsedRegex {
  readonly node: Node;
  /** Number of capturing groups. */
  readonly groups: number;
}

/** A pattern that cannot be read; `offset` where the dialect reports it. */
export class RegexSyntaxError extends Error {
  readonly offset: number;

  constructor(text: string, offset = 0) {
    super(text);
    this.offset = offset;
  }
}

/** Matches the empty text. */
export const EMPTY: Node = { is: "sequence", items: [] };

/** A set of the bytes for which the test holds. */
export function charSet(test: (code: number) => boolean): CharSet {
  return Uint8Array.from({ length: 256 }, (_, code) => test(code) ? 1 : 0);
}

/** The set of all other bytes. */
export function negated(set: CharSet): CharSet {
  return set.map((bit) => 1 - bit);
}

/** The set and the other case of its letters (ASCII, as in the C locale). */
export function withBothCases(set: CharSet): CharSet {
  return charSet((code) => set[code] === 1 || (isLetter(code) && set[code ^ 0x20] === 1));
}

/** Whether a byte is an ASCII letter. */
export function isLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

const isDigit = (code: number) => code >= 0x30 && code <= 0x39;

/** A letter, digit or underscore. */
export function isWordCode(code: number): boolean {
  return isLetter(code) || isDigit(code) || code === 0x5f;
}

const isGraph = (code: number) => code > 0x20 && code < 0x7f;

/** `[:name:]` classes in the C locale (regex(7)). */
export const CLASSES: Readonly<Record<string, (code: number) => boolean>> = {
  alpha: isLetter,
  digit: isDigit,
  alnum: (code) => isLetter(code) || isDigit(code),
  upper: (code) => isLetter(code) && (code & 0x20) === 0,
  lower: (code) => isLetter(code) && (code & 0x20) !== 0,
  space: (code) => code === 0x20 || (code >= 9 && code <= 13),
  blank: (code) => code === 0x20 || code === 9,
  cntrl: (code) => code < 0x20 || code === 0x7f,
  graph: isGraph,
  print: (code) => code === 0x20 || isGraph(code),
  punct: (code) => isGraph(code) && !isLetter(code) && !isDigit(code),
  xdigit: (code) => isDigit(code) || (isLetter(code) && (code | 0x20) <= 0x66),
  word: isWordCode,
  ascii: (code) => code < 128,
};

/** Whether a finite automaton can match it: no back references, looks or atomic groups. */
export function isRegular(node: Node): boolean {
  switch (node.is) {
    case "set":
    case "place":
      return true;
    case "back":
    case "look":
    case "atomic":
      return false;
    case "sequence":
    case "choice":
      return node.items.every(isRegular);
    default:
      return isRegular(node.item);
  }
}

/** Whether it can only match at the start of the text. */
export function isAnchored(node: Node): boolean {
  switch (node.is) {
    case "place":
      return node.place === "start";
    case "sequence":
      return node.items.length > 0 && isAnchored(node.items[0]!);
    case "choice":
      return node.items.every(isAnchored);
    case "group":
    case "atomic":
      return isAnchored(node.item);
    case "repeat":
      return node.min > 0 && isAnchored(node.item);
    default:
      return false;
  }
}
