import type { PcreFlags } from "../platform/pcre.ts";
import {
  type CharSet,
  charSet,
  CLASSES,
  EMPTY,
  isLetter,
  isWordCode,
  negated,
  type Node,
  type ParsedRegex,
  RegexSyntaxError,
  withBothCases,
} from "./syntax_tree.ts";

type Inner = Pick<PcreFlags, "i" | "m" | "s" | "x" | "U">;

const isHorizontal = (code: number) => code === 32 || code === 9 || code === 0xa0;
const isVertical = (code: number) => (code >= 10 && code <= 13) || code === 0x85;

/** Escapes that stand for a set; the upper case letter is the complement. */
const SETS: Readonly<Record<string, CharSet>> = {
  d: charSet(CLASSES.digit!),
  s: charSet(CLASSES.space!),
  w: charSet(isWordCode),
  h: charSet(isHorizontal),
  v: charSet(isVertical),
};

const PLACES: Readonly<Record<string, Node>> = {
  b: { is: "place", place: "word-edge" },
  B: { is: "place", place: "no-word-edge" },
  A: { is: "place", place: "start" },
  G: { is: "place", place: "start" },
  Z: { is: "place", place: "final-end" },
  z: { is: "place", place: "end" },
};

const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, f: 12, e: 27, a: 7 };

class PerlParser {
  readonly #text: string;
  readonly #outer: PcreFlags;
  #flags: Inner;
  #at = 0;
  #groups = 0;
  readonly #names = new Map<string, number>();
  #highestBack = 0;

  constructor(text: string, flags: PcreFlags) {
    this.#text = text;
    this.#outer = flags;
    this.#flags = flags;
  }

  parse(): ParsedRegex {
    const node = this.#choice();
    if (this.#at < this.#text.length) this.#fail("unmatched closing parenthesis", this.#at);
    if (this.#highestBack > this.#groups) {
      this.#fail("reference to non-existent subpattern", this.#text.length);
    }
    const anchored: Node = { is: "sequence", items: [{ is: "place", place: "start" }, node] };
    return { node: this.#outer.A ? anchored : node, groups: this.#groups };
  }

  #fail(text: string, offset = this.#at): never {
    throw new RegexSyntaxError(text, offset);
  }

  get #char(): string | undefined {
    return this.#text[this.#at];
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #choice(): Node {
    const flags = this.#flags;
    const items = [this.#sequence()];
    while (this.#take("|")) items.push(this.#sequence());
    this.#flags = flags; // a (?i) holds to the end of its group
    return items.length === 1 ? items[0]! : { is: "choice", items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    for (;;) {
      if (this.#flags.x) this.#skipExtended();
      if (this.#char === undefined || this.#char === "|" || this.#char === ")") break;
      const atom = this.#atom();
      if (atom !== undefined) items.push(this.#repeated(atom));
    }
    return items.length === 1 ? items[0]! : { is: "sequence", items };
  }

  #skipExtended(): void {
    const blank = /^(?:\s|#[^\n]*)*/.exec(this.#text.slice(this.#at))!;
    this.#at += blank[0].length;
  }

  #repeated(atom: Node): Node {
    let node = atom;
    for (;;) {
      if (this.#flags.x) this.#skipExtended();
      const bounds = this.#bounds();
      if (bounds === undefined) return node;
      const [min, max] = bounds;
      const possessive = this.#take("+");
      const lazy = !possessive && this.#take("?");
      const repeat: Node = { is: "repeat", item: node, min, max, greedy: lazy === this.#flags.U };
      node = possessive ? { is: "atomic", item: repeat } : repeat;
    }
  }

  #bounds(): readonly [number, number] | undefined {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    const match = /^\{(\d+)(,?)(\d*)\}/.exec(this.#text.slice(this.#at, this.#at + 14));
    if (match === null) return undefined;
    this.#at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === "" ? min : match[3] === "" ? Infinity : Number(match[3]);
    if (min > 65535 || (max > 65535 && max !== Infinity)) this.#fail("number too big in {} quantifier");
    if (min > max) this.#fail("numbers out of order in {} quantifier");
    return [min, max];
  }

  #set(set: CharSet): Node {
    return { is: "set", set: this.#flags.i ? withBothCases(set) : set };
  }

  #byte(code: number): Node {
    return this.#set(charSet((other) => other === code));
  }

  #atom(): Node | undefined {
    const char = this.#text[this.#at++]!;
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return this.#bracket();
      case ".":
        return { is: "set", set: charSet((code) => this.#flags.s || code !== 10) };
      case "^":
        return { is: "place", place: this.#flags.m ? "line-start" : "start" };
      case "$":
        return { is: "place", place: this.#flags.m ? "line-end" : this.#outer.E ? "end" : "final-end" };
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        return this.#fail("quantifier does not follow a repeatable item", this.#at - 1);
      default:
        return this.#byte(char.charCodeAt(0));
    }
  }

  #escape(): Node | undefined {
    const char = this.#text[this.#at++];
    if (char === undefined) this.#fail("\\ at end of pattern", this.#text.length);
    if (Object.hasOwn(PLACES, char)) return PLACES[char]!;
    const set = setEscape(char);
    if (set !== undefined) return { is: "set", set };
    if (char === "N") return { is: "set", set: charSet((code) => code !== 10) };
    if (char === "R") return { is: "choice", items: [this.#crlf(), { is: "set", set: charSet(isVertical) }] };
    if (char === "Q") return this.#quoted();
    if (char === "E") return undefined;
    if (char === "K") this.#fail("\\K needs libpcre2");
    if (char === "k" || char === "g") return this.#reference(char);
    if (char >= "1" && char <= "9") return this.#numbered();
    return this.#byte(this.#code(char));
  }

  #crlf(): Node {
    return { is: "sequence", items: [this.#byte(13), this.#byte(10)] };
  }

  #quoted(): Node {
    const end = this.#text.indexOf("\\E", this.#at);
    const text = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#at = end < 0 ? this.#text.length : end + 2;
    return { is: "sequence", items: [...text].map((each) => this.#byte(each.charCodeAt(0))) };
  }

  /** `\12`: a reference when there are so many groups, or one digit; otherwise an octal number. */
  #numbered(): Node {
    const digits = /^\d+/.exec(this.#text.slice(this.#at - 1))![0];
    const number = Number(digits);
    if (digits.length > 1 && number > this.#groups) {
      const octal = /^[0-7]{1,3}/.exec(digits);
      if (octal !== null) {
        this.#at += octal[0].length - 1;
        return this.#byte(parseInt(octal[0], 8) & 255);
      }
    }
    this.#at += digits.length - 1;
    return this.#back(number);
  }

  #back(index: number): Node {
    this.#highestBack = Math.max(this.#highestBack, index);
    return { is: "back", index, ignoreCase: this.#flags.i };
  }

  #reference(kind: string): Node {
    const match = /^(?:\{(-?\w+)\}|<(\w+)>|'(\w+)'|(-?\d+))/.exec(this.#text.slice(this.#at));
    const name = match?.slice(1).find((each) => each !== undefined);
    if (match === null || name === undefined) this.#fail(`a group reference must follow \\${kind}`);
    this.#at += match[0].length;
    if (/^\d+$/.test(name)) return this.#back(Number(name));
    if (/^-\d+$/.test(name)) return this.#back(this.#groups + 1 + Number(name));
    const index = this.#names.get(name);
    return index === undefined ? this.#fail("reference to non-existent subpattern") : this.#back(index);
  }

  /** The byte that an escape outside or inside brackets stands for. */
  #code(char: string): number {
    if (Object.hasOwn(CONTROLS, char)) return CONTROLS[char]!;
    if (char === "x") return this.#hexadecimal();
    if (char === "c") return this.#text.charCodeAt(this.#at++) & 0x5f ^ 0x40;
    if (char === "0") {
      const octal = /^[0-7]{0,2}/.exec(this.#text.slice(this.#at))![0];
      this.#at += octal.length;
      return parseInt(`0${octal}`, 8);
    }
    if (isLetter(char.charCodeAt(0))) this.#fail("unrecognized character follows \\", this.#at);
    return char.charCodeAt(0);
  }

  #hexadecimal(): number {
    const match = /^(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{0,2}))/.exec(this.#text.slice(this.#at))!;
    this.#at += match[0].length;
    const code = parseInt(match[1] ?? (match[2] || "0"), 16);
    if (code > 255) this.#fail("character code point value in \\x{} or \\o{} is too large");
    return code;
  }

  #bracket(): Node {
    const start = this.#at - 1;
    const negative = this.#take("^");
    const set = new Uint8Array(256);
    for (let first = true;; first = false) {
      if (this.#char === undefined) {
        this.#fail("missing terminating ] for character class", this.#text.length);
      }
      if (this.#char === "]" && !first) break;
      this.#member(set, start);
    }
    this.#at++;
    const cased = this.#flags.i ? withBothCases(set) : set;
    return { is: "set", set: negative ? negated(cased) : cased };
  }

  #member(set: CharSet, start: number): void {
    const posix = /^\[:(\^?)(\w+):\]/.exec(this.#text.slice(this.#at, this.#at + 20));
    if (posix !== null) return this.#posixInto(set, posix);
    const low = this.#endpoint(set);
    if (low === undefined || this.#char !== "-" || this.#text[this.#at + 1] === "]") {
      if (low !== undefined) set[low] = 1;
      return;
    }
    this.#at++;
    if (this.#char === undefined) this.#fail("missing terminating ] for character class", start);
    const high = this.#endpoint(set);
    if (high === undefined) set[low] = set[0x2d] = 1;
    else if (high < low) this.#fail("range out of order in character class", this.#at - 1);
    else set.fill(1, low, high + 1);
  }

  #posixInto(set: CharSet, [whole, negative, name]: readonly string[]): void {
    if (!Object.hasOwn(CLASSES, name!)) this.#fail("unknown POSIX class name", this.#at);
    this.#at += whole!.length;
    for (let code = 0; code < 256; code++) {
      if (CLASSES[name!]!(code) === (negative === "")) set[code] = 1;
    }
  }

  /** A character in brackets; undefined when a class escape went into the set instead. */
  #endpoint(set: CharSet): number | undefined {
    const char = this.#text[this.#at++]!;
    if (char !== "\\") return char.charCodeAt(0);
    const escaped = this.#text[this.#at++];
    if (escaped === undefined) this.#fail("\\ at end of pattern", this.#text.length);
    const members = setEscape(escaped);
    if (members !== undefined) {
      members.forEach((bit, code) => set[code]! |= bit);
      return undefined;
    }
    if (escaped === "b") return 8;
    if (escaped >= "1" && escaped <= "7") {
      const octal = /^[0-7]{1,3}/.exec(this.#text.slice(this.#at - 1))![0];
      this.#at += octal.length - 1;
      return parseInt(octal, 8) & 255;
    }
    return this.#code(escaped);
  }

  #close(item: Node): Node {
    if (!this.#take(")")) this.#fail("missing closing parenthesis", this.#text.length);
    return item;
  }

  #group(): Node | undefined {
    if (this.#char === "*") this.#fail("backtracking verbs need libpcre2");
    if (!this.#take("?")) return this.#capture();
    const named = /^(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')/.exec(this.#text.slice(this.#at));
    if (named !== null) {
      this.#at += named[0].length;
      this.#names.set(named[1] ?? named[2]!, this.#groups + 1);
      return this.#capture();
    }
    if (this.#take("#")) return this.#comment();
    if (this.#take(":") || this.#take("|")) return this.#close(this.#choice());
    if (this.#take(">")) return this.#close({ is: "atomic", item: this.#choice() });
    for (const [sign, ahead, negative] of LOOKS) {
      if (this.#take(sign)) return this.#close({ is: "look", ahead, negative, item: this.#choice() });
    }
    const back = /^P=(\w+)\)/.exec(this.#text.slice(this.#at));
    if (back !== null && this.#names.has(back[1]!)) {
      this.#at += back[0].length;
      return this.#back(this.#names.get(back[1]!)!);
    }
    return this.#options();
  }

  #capture(): Node {
    const index = ++this.#groups;
    return this.#close({ is: "group", index, item: this.#choice() });
  }

  #comment(): undefined {
    const end = this.#text.indexOf(")", this.#at);
    if (end < 0) this.#fail("missing ) after (?# comment", this.#text.length);
    this.#at = end + 1;
    return undefined;
  }

  /** `(?i)` for the rest of the group, `(?i:...)` for its own. */
  #options(): Node | undefined {
    const match = /^(\^?)([imsxU]*)(?:-([imsxU]*))?([:)])/.exec(this.#text.slice(this.#at));
    if (match === null) this.#fail("unrecognized character after (? or (?-", this.#at);
    this.#at += match[0].length;
    const flags = this.#flags;
    const changed = { ...(match[1] === "^" ? { ...flags, i: false, m: false, s: false, x: false } : flags) };
    for (const letter of match[2]!) changed[letter as keyof Inner] = true;
    for (const letter of match[3] ?? "") changed[letter as keyof Inner] = false;
    this.#flags = changed;
    if (match[4] === ")") return undefined;
    const item = this.#close(this.#choice());
    this.#flags = flags;
    return item;
  }
}

const LOOKS = [["=", true, false], ["!", true, true], ["<=", false, false], ["<!", false, true]] as const;

function setEscape(char: string): CharSet | undefined {
  const lower = char.toLowerCase();
  if (!Object.hasOwn(SETS, lower)) return undefined;
  return char === lower ? SETS[lower]! : negated(SETS[lower]!);
}

/**
 * Reads a Perl-compatible pattern without libpcre2 (pcre_table(5)). What is not understood (recursion, conditions,
 * backtracking verbs, \K) is refused, never read as something else. Throws RegexSyntaxError.
 */
export function parsePerl(pattern: string, flags: PcreFlags): ParsedRegex {
  return pattern === "" ? { node: EMPTY, groups: 0 } : new PerlParser(pattern, flags).parse();
}
