import type { Expansion, Piece } from "../query_file/query_template.ts";

/** Whose rules for strings, names and comments hold. */
export type SqlDialect = "pgsql" | "mysql" | "sqlite";

/** A value that the server gets beside the statement, never in its text. */
export interface Hole {
  readonly pieces: readonly Piece[];
  /** The type that the template names before the string: `inet '%s'`. */
  readonly type?: string;
  /** It stands without quotes, where Postfix has a number: SQLite tells `5` from `'5'`. */
  readonly bare?: true;
}

/** A statement with holes for values. */
export interface BoundQuery {
  /** The statement's text around the holes: one more than there are holes. */
  readonly text: readonly string[];
  readonly holes: readonly Hole[];
  /** It is one statement that only reads, so it may stand in brackets where its rows can be counted and cut off. */
  readonly isPlainSelect: boolean;
}

/** A template that would need a part of the key in a place where no value can be bound. */
export class SqlTemplateFault extends Error {
  override readonly name = "SqlTemplateFault";
}

/**
 * Takes a query template apart by the dialect's own lexical rules and turns every string with expansions into one bound value
 * (`'%u@%d'`, `LIKE '%%%s'`), and every expansion without quotes too. Whatever a key contains, the statement is the same.
 */
export function bindQuery(template: readonly Piece[], dialect: SqlDialect): BoundQuery {
  return new Reader(template, dialect).read();
}

/** A character of the template, or an expansion. */
type Unit = string | Expansion;

const isExpansion = (unit: Unit | undefined): unit is Expansion => typeof unit === "object";

/** Beside these an unquoted expansion is a value of its own, and not a part of a name or number. */
const BESIDE_VALUE = /^[\s=<>!(),;+\-*/|~]$/;
const WORD_START = /^[A-Za-z_\u0080-\uffff]$/;
const WORD = /^[A-Za-z0-9_$\u0080-\uffff]$/;
const NUMBER = /^[0-9A-Za-z_.]$/;
const BLANK = /^\s$/;

/** Words that make a string a value of a type: `date '2020-01-01'`. */
const TYPES: Readonly<Record<SqlDialect, Readonly<Record<string, string>>>> = {
  pgsql: Object.fromEntries(
    "text varchar citext date time timestamp timestamptz interval inet cidr macaddr uuid bool boolean".split(
      " ",
    )
      .map((type) => [type, type]),
  ),
  mysql: {
    date: "date",
    time: "time",
    timestamp: "datetime",
    _binary: "binary",
    _utf8: "",
    _utf8mb3: "",
    _utf8mb4: "",
  },
  sqlite: {},
};

/** With one of these words a statement does more than to read. */
const WRITES = new Set(["insert", "update", "delete", "merge", "into", "call", "do", "set"]);

/** A string's characters with escapes undone; undefined where an escape stands for no character. */
const ESCAPES: Readonly<Record<string, string>> = {
  "0": "\0",
  b: "\b",
  n: "\n",
  r: "\r",
  t: "\t",
  Z: "\x1a",
};
const C_ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

type Escapes = "none" | "mysql" | "c";

class Reader {
  readonly #units: readonly Unit[];
  readonly #dialect: SqlDialect;
  readonly #text: string[] = [""];
  readonly #holes: Hole[] = [];
  readonly #words: string[] = [];
  /** Semicolons that are followed by more than blanks. */
  #statements = 1;
  #at = 0;

  constructor(template: readonly Piece[], dialect: SqlDialect) {
    this.#units = template.flatMap((piece): readonly Unit[] =>
      typeof piece === "string" ? piece.split("") : [piece]
    );
    this.#dialect = dialect;
  }

  read(): BoundQuery {
    while (this.#at < this.#units.length) this.#token();
    const last = this.#text.length - 1;
    const ended = this.#text[last]!.replace(/[;\s]+$/, "");
    const semicolons = this.#text[last]!.slice(ended.length).split(";").length - 1;
    this.#text[last] = ended;
    const reads = ["select", "with", "values", "table"].includes(this.#words[0] ?? "") &&
      !this.#words.some((word) => WRITES.has(word));
    return {
      text: this.#text,
      holes: this.#holes,
      isPlainSelect: reads && this.#statements - semicolons === 1,
    };
  }

  #peek(ahead = 0): string {
    const unit = this.#units[this.#at + ahead];
    return typeof unit === "string" ? unit : "";
  }

  #emit(text: string): void {
    this.#text[this.#text.length - 1] += text;
  }

  #hole(pieces: readonly Piece[], type?: string): void {
    this.#holes.push({ pieces, ...(type !== undefined && type !== "" && { type }) });
    this.#text.push("");
  }

  #token(): void {
    const unit = this.#units[this.#at]!;
    if (isExpansion(unit)) return this.#bare(unit);
    if (unit === "'") return this.#string("'", this.#dialect === "mysql" ? "mysql" : "none", "");
    if (unit === '"') {
      return this.#dialect === "mysql" ? this.#string('"', "mysql", "") : this.#quotedName('"');
    }
    if (unit === "`" && this.#dialect !== "pgsql") return this.#quotedName("`");
    if (unit === "[" && this.#dialect === "sqlite") return this.#quotedName("]");
    if (this.#startsComment(unit)) return this.#comment();
    if (unit === "$" && this.#dialect === "pgsql") return this.#dollar();
    if (this.#startsParameter(unit)) {
      throw new SqlTemplateFault(`"${unit}" stands for a parameter here, and nothing sets it`);
    }
    if (WORD_START.test(unit)) return this.#word();
    if (/[0-9]/.test(unit)) return this.#number();
    if (unit === ";") this.#statements++;
    this.#emit(unit);
    this.#at++;
  }

  /** An expansion without quotes: still a value, not a piece of SQL. */
  #bare(expansion: Expansion): void {
    const [before, after] = [this.#units[this.#at - 1], this.#units[this.#at + 1]];
    const isApart = [before, after].every((unit) =>
      unit === undefined || (typeof unit === "string" && BESIDE_VALUE.test(unit))
    );
    if (!isApart) throw new SqlTemplateFault(partOfName());
    this.#holes.push({ pieces: [expansion], bare: true });
    this.#text.push("");
    this.#at++;
  }

  #startsParameter(unit: string): boolean {
    if (unit === "?") return this.#dialect !== "pgsql";
    return this.#dialect === "sqlite" && /[:@$]/.test(unit) && WORD.test(this.#peek(1));
  }

  #startsComment(unit: string): boolean {
    const next = this.#peek(1);
    if (unit === "/") return next === "*";
    if (unit === "#") return this.#dialect === "mysql";
    if (unit !== "-" || next !== "-") return false;
    return this.#dialect !== "mysql" || this.#at + 2 >= this.#units.length ||
      /^[\s\x00-\x1f]$/.test(this.#peek(2));
  }

  /** Comments vanish, with the expansions in them; MySQL's that are code stay. */
  #comment(): void {
    if (this.#peek() !== "/") {
      while (this.#at < this.#units.length && this.#peek() !== "\n") this.#at++;
      return this.#emit(" ");
    }
    if (this.#dialect === "mysql" && /^(?:!|\+|M)$/.test(this.#peek(2))) {
      this.#emit("/*");
      this.#at += 2;
      return;
    }
    this.#skipBlockComment();
    this.#emit(" ");
  }

  /** PostgreSQL's nest. */
  #skipBlockComment(): void {
    let depth = 0;
    do {
      const pair = this.#peek() + this.#peek(1);
      if (pair === "/*" && (depth === 0 || this.#dialect === "pgsql")) depth++;
      else if (pair === "*/") depth--;
      else {
        this.#at++;
        continue;
      }
      this.#at += 2;
    } while (depth > 0 && this.#at < this.#units.length);
    if (depth > 0 && this.#dialect !== "sqlite") throw new SqlTemplateFault("a comment has no end");
  }

  #word(): void {
    const start = this.#at;
    while (WORD.test(this.#peek())) this.#at++;
    if (isExpansion(this.#units[this.#at])) throw new SqlTemplateFault(partOfName());
    const word = this.#units.slice(start, this.#at).join("");
    const prefix = word.toLowerCase();
    if (prefix === "u" && this.#peek() === "&" && /^['"]$/.test(this.#peek(1)) && this.#dialect === "pgsql") {
      this.#at++;
      return this.#staticString(`${word}&`);
    }
    if (this.#peek() !== "'") {
      this.#words.push(prefix);
      return this.#emit(word);
    }
    if (/^[bx]$/.test(prefix)) return this.#staticString(word);
    if (prefix === "e" && this.#dialect === "pgsql") return this.#string("'", "c", word);
    if (prefix === "n" && this.#dialect !== "sqlite") {
      return this.#string("'", this.#dialect === "mysql" ? "mysql" : "none", word);
    }
    this.#emit(word);
  }

  #number(): void {
    while (NUMBER.test(this.#peek())) this.#emit(this.#peek()), this.#at++;
    if (isExpansion(this.#units[this.#at])) throw new SqlTemplateFault(partOfName());
  }

  /** A name in quotes is text of the statement: nothing can be bound there. SQLite takes a wrongly quoted string for one. */
  #quotedName(close: string): void {
    const start = this.#at++;
    const content: Unit[] = [];
    for (; this.#at < this.#units.length; this.#at++) {
      const unit = this.#units[this.#at]!;
      if (unit === close && (close === "]" || this.#peek(1) !== close)) break;
      if (unit === close) this.#at++;
      content.push(unit);
    }
    if (this.#at++ >= this.#units.length) throw new SqlTemplateFault("a quoted name has no end");
    if (!content.some(isExpansion)) return this.#emit(this.#units.slice(start, this.#at).join(""));
    if (this.#dialect !== "sqlite" || close !== '"') throw new SqlTemplateFault(partOfName());
    this.#hole(piecesOf(content));
  }

  /** `$$text$$`, `$tag$text$tag$`; `$1` is a parameter. */
  #dollar(): void {
    const rest = this.#units.slice(this.#at).map((unit) => typeof unit === "string" ? unit : "\0").join("");
    if (/^\$[0-9]/.test(rest)) {
      throw new SqlTemplateFault(`"${rest.slice(0, 2)}" stands for a parameter here, and nothing sets it`);
    }
    const tag = /^\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/.exec(rest)?.[0];
    if (tag === undefined) {
      this.#emit("$");
      this.#at++;
      return;
    }
    const end = rest.indexOf(tag, tag.length);
    if (end < 0) throw new SqlTemplateFault("a string in dollar quotes has no end");
    const content = this.#units.slice(this.#at + tag.length, this.#at + end);
    this.#at += end + tag.length;
    if (content.some(isExpansion)) this.#bindString(content);
    else this.#emit(tag + content.join("") + tag);
  }

  /** Bits, hexadecimal digits, Unicode escapes: not for values of keys. */
  #staticString(prefix: string): void {
    const start = this.#at;
    const content = this.#quoted(this.#peek(), "none");
    if (content.some(isExpansion)) {
      throw new SqlTemplateFault(`${prefix}'...' cannot hold a part of the key; write '...'`);
    }
    this.#emit(prefix + this.#units.slice(start, this.#at).join(""));
  }

  #string(quote: string, escapes: Escapes, prefix: string): void {
    const start = this.#at;
    const content = this.#quoted(quote, escapes);
    for (let next = this.#continuation(); next > 0; next = this.#continuation()) {
      this.#at += next;
      content.push(...this.#quoted(this.#peek(), escapes));
    }
    if (content.some(isExpansion)) this.#bindString(content);
    else this.#emit(prefix + this.#units.slice(start, this.#at).join(""));
  }

  /** Strings that follow one another are one: MySQL's always, PostgreSQL's on the next line. How far off the next one is. */
  #continuation(): number {
    if (this.#dialect === "sqlite") return 0;
    let ahead = 0;
    let newline = false;
    for (; BLANK.test(this.#peek(ahead)); ahead++) newline ||= this.#peek(ahead) === "\n";
    const next = this.#peek(ahead);
    if (this.#dialect === "pgsql") return newline && next === "'" ? ahead : 0;
    return ahead > 0 && (next === "'" || next === '"') ? ahead : 0;
  }

  /** The characters of a string from its opening quote on, escapes undone. */
  #quoted(quote: string, escapes: Escapes): Unit[] {
    const content: Unit[] = [];
    for (this.#at++; this.#at < this.#units.length; this.#at++) {
      const unit = this.#units[this.#at]!;
      if (unit === "\\" && escapes !== "none") content.push(...this.#escape(escapes));
      else if (unit !== quote) content.push(unit);
      else if (this.#peek(1) === quote) content.push(quote), this.#at++;
      else {
        this.#at++;
        return content;
      }
    }
    throw new SqlTemplateFault("a string has no closing quote");
  }

  /** Leaves the reader at the last character of the escape. */
  #escape(escapes: Escapes): readonly Unit[] {
    const unit = this.#units[++this.#at];
    if (unit === undefined || isExpansion(unit)) {
      throw new SqlTemplateFault("a backslash stands before a part of the key; put two for one");
    }
    if (escapes === "mysql") {
      return unit === "%" || unit === "_" ? ["\\", unit] : [ESCAPES[unit] ?? unit];
    }
    return [this.#numbered(unit) ?? C_ESCAPES[unit] ?? unit];
  }

  /** `\101`, `\x41`, `\u0041`, `\U00000041`. */
  #numbered(first: string): string | undefined {
    const rest = first + Array.from({ length: 8 }, (_, ahead) => this.#peek(ahead + 1) || " ").join("");
    const match = /^(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/.exec(rest);
    if (match === null) return undefined;
    const [whole, octal, ...hex] = match;
    const code = octal === undefined
      ? parseInt(hex.find((digits) => digits !== undefined)!, 16)
      : parseInt(octal, 8);
    if (code === 0 || code > 0x10ffff || (code > 127 && (octal ?? hex[0]) !== undefined)) {
      throw new SqlTemplateFault(`\\${whole} is no character that can stand beside a part of the key`);
    }
    this.#at += whole.length - 1;
    return String.fromCodePoint(code);
  }

  /** A string with expansions becomes a value; a type before it becomes a cast. */
  #bindString(content: readonly Unit[]): void {
    const last = this.#text.length - 1;
    const before = /([A-Za-z0-9_]+)\s*$/.exec(this.#text[last]!);
    const word = (before?.[1] ?? "").toLowerCase();
    const types = TYPES[this.#dialect];
    if (!Object.hasOwn(types, word)) {
      if (this.#dialect === "mysql" && word.startsWith("_")) {
        throw new SqlTemplateFault(`the character set ${word} before a part of the key; leave it out`);
      }
      return this.#hole(piecesOf(content));
    }
    this.#text[last] = this.#text[last]!.slice(0, before!.index);
    this.#hole(piecesOf(content), types[word]);
  }
}

const partOfName = () =>
  "a part of the key would be a part of the statement itself, such as a name; only values in quotes can be bound";

function piecesOf(units: readonly Unit[]): Piece[] {
  const pieces: Piece[] = [];
  for (const unit of units) {
    const last = pieces[pieces.length - 1];
    if (typeof unit === "string" && typeof last === "string") pieces[pieces.length - 1] = last + unit;
    else pieces.push(unit);
  }
  return pieces;
}
