/** How standard input becomes the content of a message. */
export interface ContentRules {
  /** A line with nothing but a dot ends it (no -i). */
  readonly dotEnds: boolean;
  /** sendmail_fix_line_endings: a CR before a newline goes; `strict`: when the first line has one. */
  readonly lineEnds: "always" | "strict" | "never";
  /** line_length_limit: a first line that is longer is none of mbox's. */
  readonly longestLine: number;
}

const [LF, CR, DOT] = [10, 13, 46];
const MBOX_LINE = /^>*From /;
const NOTHING = Buffer.alloc(0);

/**
 * Takes standard input as it comes and gives the lines of the message, each with a newline alone; where CRs shall stay, one before a newline
 * is doubled, so that CR LF still ends a line. mbox's lines before the header go. Whole stretches are searched; no line is looked at by itself.
 */
export class Content {
  readonly #rules: ContentRules;
  /** What cannot be judged before more is there. */
  #held: Buffer = NOTHING;
  #isBeforeMessage = true;
  #atLineStart = true;
  #dropsCr: boolean | undefined;
  #isOver = false;

  constructor(rules: ContentRules) {
    this.#rules = rules;
    this.#dropsCr = rules.lineEnds === "strict" ? undefined : rules.lineEnds === "always";
  }

  /** The end was found: what still comes is no part of the message. */
  get isOver(): boolean {
    return this.#isOver;
  }

  push(bytes: Buffer): Buffer {
    if (this.#isOver) return NOTHING;
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    this.#held = NOTHING;
    const message = this.#isBeforeMessage ? this.#withoutMbox(all) : all;
    return message === undefined ? NOTHING : this.#lines(this.#hold(message));
  }

  /** The rest, when standard input is over. */
  end(): Buffer {
    if (this.#isOver) return NOTHING;
    const rest = this.#held;
    this.#held = NOTHING;
    this.#isBeforeMessage = false;
    if (this.#rules.dotEnds && this.#atLineStart && rest.length === 1 && rest[0] === DOT) return NOTHING;
    return this.#lines(rest);
  }

  /** Takes mbox's lines off; undefined when it cannot be told yet whether there are more. */
  #withoutMbox(bytes: Buffer): Buffer | undefined {
    let rest = bytes;
    for (;;) {
      const end = rest.indexOf(LF);
      if (end < 0 && rest.length <= this.#rules.longestLine) {
        this.#held = rest;
        return undefined;
      }
      if (end >= 0) this.#dropsCr ??= rest[end - 1] === CR;
      const isMbox = end >= 0 && end <= this.#rules.longestLine &&
        MBOX_LINE.test(rest.toString("latin1", 0, end));
      if (!isMbox) break;
      rest = rest.subarray(end + 1);
    }
    this.#isBeforeMessage = false;
    return rest;
  }

  /** Keeps back what may yet become a line with a dot, or the end of a line. */
  #hold(bytes: Buffer): Buffer {
    const lineStart = bytes.lastIndexOf(LF) + 1;
    let from = bytes.length;
    while (from > lineStart && bytes[from - 1] === CR) from--;
    const startsLine = lineStart > 0 || this.#atLineStart;
    if (startsLine && from === lineStart + 1 && bytes[lineStart] === DOT) from = lineStart;
    if (bytes.length - from > this.#rules.longestLine) return bytes;
    this.#held = bytes.subarray(from);
    return bytes.subarray(0, from);
  }

  #lines(bytes: Buffer): Buffer {
    if (bytes.length === 0) return bytes;
    const first = this.#dropsCr === undefined ? bytes.indexOf(LF) : -1;
    if (first >= 0) this.#dropsCr = bytes[first - 1] === CR;
    const lines = this.#rules.dotEnds ? this.#untilDot(bytes) : bytes;
    if (lines.length > 0) this.#atLineStart = lines[lines.length - 1] === LF;
    return lines.includes("\r\n") ? this.#withoutCr(lines) : lines;
  }

  #untilDot(bytes: Buffer): Buffer {
    if (this.#atLineStart && this.#isDotLine(bytes, 0)) return this.#endAt(bytes, 0);
    for (let at = bytes.indexOf("\n."); at >= 0; at = bytes.indexOf("\n.", at + 1)) {
      if (this.#isDotLine(bytes, at + 1)) return this.#endAt(bytes, at + 1);
    }
    return bytes;
  }

  #isDotLine(bytes: Buffer, start: number): boolean {
    if (bytes[start] !== DOT) return false;
    let at = start + 1;
    while (this.#dropsCr && bytes[at] === CR) at++;
    return bytes[at] === LF;
  }

  #endAt(bytes: Buffer, end: number): Buffer {
    this.#isOver = true;
    return bytes.subarray(0, end);
  }

  #withoutCr(bytes: Buffer): Buffer {
    const text = bytes.toString("latin1");
    return Buffer.from(
      this.#dropsCr ? text.replace(/\r+\n/g, "\n") : text.replaceAll("\r\n", "\r\r\n"),
      "latin1",
    );
  }
}
