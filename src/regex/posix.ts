import {
  type CharSet,
  charSet,
  CLASSES,
  EMPTY,
  isWordCode,
  negated,
  type Node,
  type ParsedRegex,
  RegexSyntaxError,
  withBothCases,
} from "./syntax_tree.ts";

/** Flags of a POSIX pattern (regexp_table(5)). */
export interface PosixFlags {
  readonly ignoreCase: boolean;
  /** `^` and `$` match at lines, `.` and `[^x]` do not match a newline (REG_NEWLINE). */
  readonly newline: boolean;
  /** Extended syntax; otherwise basic, where `\(` groups. */
  readonly extended: boolean;
}

/** Highest count of a repetition (RE_DUP_MAX). */
const MOST = 32767;

const fail = (text: string): never => {
  throw new RegexSyntaxError(text);
};

/** GNU escapes that stand for a set or a place. */
const ESCAPES: Readonly<Record<string, Node>> = {
  w: { is: "set", set: charSet(isWordCode) },
  W: { is: "set", set: negated(charSet(isWordCode)) },
  s: { is: "set", set: charSet(CLASSES.space!) },
  S: { is: "set", set: negated(charSet(CLASSES.space!)) },
  b: { is: "place", place: "word-edge" },
  B: { is: "place", place: "no-word-edge" },
  "<": { is: "place", place: "word-start" },
  ">": { is: "place", place: "word-end" },
  "`": { is: "place", place: "start" },
  "'": { is: "place", place: "end" },
};

class PosixParser {
  readonly #text: string;
  readonly #flags: PosixFlags;
  #at = 0;
  #groups = 0;
  #depth = 0;

  constructor(text: string, flags: PosixFlags) {
    this.#text = text;
    this.#flags = flags;
  }

  parse(): ParsedRegex {
    const node = this.#choice();
    if (this.#at < this.#text.length) fail("Unmatched ) or \\)");
    return { node, groups: this.#groups };
  }

  /** An operator as this syntax writes it: `|` in extended, `\|` in basic syntax. */
  #peek(operator: string): boolean {
    const written = this.#flags.extended ? operator : `\\${operator}`;
    return this.#text.startsWith(written, this.#at);
  }

  #skip(): void {
    this.#at += this.#flags.extended ? 1 : 2;
  }

  #choice(): Node {
    const items = [this.#sequence()];
    while (this.#peek("|")) {
      this.#skip();
      items.push(this.#sequence());
    }
    return items.length === 1 ? items[0]! : { is: "choice", items };
  }

  #atEnd(): boolean {
    return this.#at >= this.#text.length || this.#peek("|") || (this.#peek(")") && this.#depth > 0);
  }

  #sequence(): Node {
    const items: Node[] = [];
    while (!this.#atEnd()) items.push(this.#repeated(items.length === 0));
    return items.length === 1 ? items[0]! : { is: "sequence", items };
  }

  #repeated(isFirst: boolean): Node {
    if (this.#flags.extended && /[*+?]/.test(this.#text[this.#at]!) && isFirst) {
      fail("Invalid preceding regular expression");
    }
    let node = this.#atom(isFirst);
    for (let bounds = this.#bounds(); bounds !== undefined; bounds = this.#bounds()) {
      const [min, max] = bounds;
      node = { is: "repeat", item: node, min, max, greedy: true };
    }
    return node;
  }

  #bounds(): readonly [number, number] | undefined {
    const { extended } = this.#flags;
    const char = this.#text[this.#at];
    if (char === "*") return this.#at++, [0, Infinity];
    if (this.#peek("+")) return this.#skip(), [1, Infinity];
    if (this.#peek("?")) return this.#skip(), [0, 1];
    if (!this.#peek("{")) return undefined;
    const close = extended ? "}" : "\\}";
    const start = this.#at + (extended ? 1 : 2);
    const end = this.#text.indexOf(close, start);
    if (end < 0) return fail("Unmatched \\{");
    this.#at = end + close.length;
    return this.#interval(this.#text.slice(start, end));
  }

  #interval(text: string): readonly [number, number] {
    const match = /^(\d*)(,?)(\d*)$/.exec(text);
    if (match === null || (match[1] === "" && match[2] === "")) return fail("Invalid content of \\{\\}");
    const min = Number(match[1]);
    const max = match[2] === "" ? min : match[3] === "" ? Infinity : Number(match[3]);
    if (min > max) fail("Invalid content of \\{\\}");
    if (min > MOST || (max > MOST && max !== Infinity)) fail("Regular expression too big");
    return [min, max];
  }

  #set(set: CharSet): Node {
    return { is: "set", set: this.#flags.ignoreCase ? withBothCases(set) : set };
  }

  #literal(char: string): Node {
    const code = char.charCodeAt(0);
    return this.#set(charSet((other) => other === code));
  }

  #atom(isFirst: boolean): Node {
    if (this.#peek("(")) return this.#group();
    const char = this.#text[this.#at++]!;
    if (char === "\\") return this.#escape();
    if (char === "[") return this.#bracket();
    if (char === ".") return this.#set(charSet((code) => !this.#flags.newline || code !== 10));
    if (char === "^" && (this.#flags.extended || isFirst)) {
      return { is: "place", place: this.#flags.newline ? "line-start" : "start" };
    }
    if (char === "$" && (this.#flags.extended || this.#atEnd())) {
      return { is: "place", place: this.#flags.newline ? "line-end" : "end" };
    }
    return this.#literal(char);
  }

  #group(): Node {
    this.#skip();
    const index = ++this.#groups;
    this.#depth++;
    const item = this.#atEnd() && this.#peek(")") ? EMPTY : this.#choice();
    if (!this.#peek(")")) fail("Unmatched ( or \\(");
    this.#skip();
    this.#depth--;
    return { is: "group", index, item };
  }

  #escape(): Node {
    const char = this.#text[this.#at++];
    if (char === undefined) return fail("Trailing backslash");
    if (char >= "1" && char <= "9") return this.#backReference(Number(char));
    return Object.hasOwn(ESCAPES, char) ? ESCAPES[char]! : this.#literal(char);
  }

  #backReference(index: number): Node {
    if (index > this.#groups) fail("Invalid back reference");
    return { is: "back", index, ignoreCase: this.#flags.ignoreCase };
  }

  #bracket(): Node {
    const negative = this.#text[this.#at] === "^";
    if (negative) this.#at++;
    const set = new Uint8Array(256);
    for (let first = true;; first = false) {
      const char = this.#text[this.#at];
      if (char === undefined) fail("Unmatched [, [^, [:, [., or [=");
      if (char === "]" && !first) break;
      this.#member(set);
    }
    this.#at++;
    const cased = this.#flags.ignoreCase ? withBothCases(set) : set;
    if (!negative) return { is: "set", set: cased };
    const rest = negated(cased);
    if (this.#flags.newline) rest[10] = 0;
    return { is: "set", set: rest };
  }

  /** A class, a character or a range of a bracket expression (regex(7)). */
  #member(set: CharSet): void {
    if (this.#text.startsWith("[:", this.#at)) return this.#classInto(set);
    const low = this.#endpoint();
    const isRange = this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]" &&
      this.#at + 1 < this.#text.length;
    if (!isRange) {
      set[low] = 1;
      return;
    }
    this.#at++;
    const high = this.#endpoint();
    if (high < low) fail("Invalid range end");
    set.fill(1, low, high + 1);
  }

  #classInto(set: CharSet): void {
    const end = this.#text.indexOf(":]", this.#at + 2);
    if (end < 0) fail("Unmatched [, [^, [:, [., or [=");
    const name = this.#text.slice(this.#at + 2, end);
    if (!Object.hasOwn(CLASSES, name) || name === "word" || name === "ascii") {
      fail("Invalid character class name");
    }
    this.#at = end + 2;
    for (let code = 0; code < 256; code++) if (CLASSES[name]!(code)) set[code] = 1;
  }

  /** `[.x.]` and `[=x=]` name one character; otherwise the character itself. */
  #endpoint(): number {
    const quoted = /^\[([.=])([^])\1\]/.exec(this.#text.slice(this.#at, this.#at + 5));
    if (quoted !== null) {
      this.#at += 5;
      return quoted[2]!.charCodeAt(0);
    }
    if (/^\[[.=]/.test(this.#text.slice(this.#at, this.#at + 2))) fail("Invalid collation character");
    return this.#text.charCodeAt(this.#at++);
  }
}

/** Reads a POSIX regular expression with GNU's additions, as regcomp(3) does in the C locale. Throws RegexSyntaxError. */
export function parsePosix(pattern: string, flags: PosixFlags): ParsedRegex {
  return new PosixParser(pattern, flags).parse();
}
