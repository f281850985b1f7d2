/** Comments may stand in comments so deeply. */
const DEPTH = 50;

const BLANK = /[ \t\r\n]/;
const TOKEN_END = /[()<>@,;:\\"/[\]?=\x00-\x20\x7f]/;

/** Reads the words of a structured field: tokens and quoted strings, with comments and folds between (RFC 5322 §3.2.2). */
export class FieldScanner {
  readonly #text: string;
  #at = 0;
  /** A comment or quoted string has no end. */
  isBroken = false;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Passes over blanks and comments. */
  skip(): void {
    while (!this.isAtEnd) {
      if (BLANK.test(this.#text[this.#at]!)) this.#at++;
      else if (this.#text[this.#at] === "(") this.#comment();
      else return;
    }
  }

  #comment(): void {
    let depth = 0;
    for (; !this.isAtEnd; this.#at++) {
      const char = this.#text[this.#at];
      if (char === "\\") this.#at++;
      else if (char === "(" && ++depth > DEPTH) break;
      else if (char === ")" && --depth === 0) return void this.#at++;
    }
    this.isBroken = true;
    this.#at = this.#text.length;
  }

  /** Takes a sign if it comes next. */
  sign(sign: string): boolean {
    if (this.#text[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }

  /** Characters up to one of `ends`, undefined where there are none. */
  word(ends: RegExp = TOKEN_END): string | undefined {
    const from = this.#at;
    while (!this.isAtEnd && !ends.test(this.#text[this.#at]!)) this.#at++;
    return this.#at === from ? undefined : this.#text.slice(from, this.#at);
  }

  /** A token or what a quoted string says. */
  value(ends?: RegExp): string | undefined {
    return this.#text[this.#at] === '"' ? this.#quoted() : this.word(ends);
  }

  #quoted(): string | undefined {
    let said = "";
    for (this.#at++; !this.isAtEnd; this.#at++) {
      const char = this.#text[this.#at]!;
      if (char === '"') {
        this.#at++;
        return said;
      }
      if (char === "\\") this.#at++;
      const next = this.#text[this.#at];
      // A fold is no part of what is said.
      if (next !== undefined && next !== "\r" && next !== "\n") said += next;
    }
    this.isBroken = true;
    return undefined;
  }
}
