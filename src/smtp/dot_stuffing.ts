const CR = 13;
const LF = 10;
const DOT = 46;
const CRLF = Buffer.from("\r\n");
const CRLF_SPACE = Buffer.from("\r\n ");
const A_DOT = Buffer.from(".");
const HELD_CR = Buffer.from("\r");

/** End of data, after a line end (RFC 5321 §4.1.1.4). */
export const END_OF_DATA = ".\r\n";

/**
 * Makes content fit for DATA: a dot at the start of a line is doubled (RFC 5321 §4.5.2), a line over the limit is cut with
 * CR LF and a blank (smtp_line_length_limit), the last line ends in CR LF. Content in which nothing needs doing passes
 * through without being copied. A dot after a bare LF is doubled too, so that no receiver can mistake it for the end.
 */
export class DotStuffer {
  readonly #limit: number;
  /** Bytes of the current line that have been sent. */
  #column = 0;
  #atLineStart = true;
  /** A CR at the end of the last chunk, kept back until it is clear whether it ends a line. */
  #heldCr = false;
  #folded = false;

  /** `limit` in bytes without CR LF; 0 = none. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether a line has been cut. */
  get folded(): boolean {
    return this.#folded;
  }

  /** The pieces to send for a chunk, in order. */
  push(bytes: Buffer): Buffer[] {
    let chunk = this.#heldCr ? Buffer.concat([HELD_CR, bytes]) : bytes;
    this.#heldCr = chunk.length > 0 && chunk[chunk.length - 1] === CR;
    if (this.#heldCr) chunk = chunk.subarray(0, -1);
    if (chunk.length === 0) return [];
    const tooLong = this.#limit > 0 && hasLineOver(chunk, this.#limit, this.#column);
    return tooLong ? this.#foldLines(chunk) : this.#stuff(chunk);
  }

  /** What is missing for a last line end. */
  end(): Buffer[] {
    const missing = this.#atLineStart && !this.#heldCr ? [] : [CRLF];
    this.#heldCr = false;
    this.#atLineStart = true;
    return missing;
  }

  #stuff(chunk: Buffer): Buffer[] {
    const pieces: Buffer[] = [];
    if (this.#atLineStart && chunk[0] === DOT) pieces.push(A_DOT);
    let from = 0;
    for (let at = chunk.indexOf("\n."); at >= 0; at = chunk.indexOf("\n.", at + 2)) {
      pieces.push(chunk.subarray(from, at + 1), A_DOT);
      from = at + 1;
    }
    pieces.push(from === 0 ? chunk : chunk.subarray(from));
    const lastLf = chunk.lastIndexOf(LF);
    this.#atLineStart = lastLf === chunk.length - 1;
    this.#column = lastLf < 0 ? this.#column + chunk.length : chunk.length - lastLf - 1;
    return pieces;
  }

  #foldLines(chunk: Buffer): Buffer[] {
    const pieces: Buffer[] = [];
    for (let at = 0; at < chunk.length;) {
      const lf = chunk.indexOf(LF, at);
      const end = lf < 0 ? chunk.length : lf > at && chunk[lf - 1] === CR ? lf - 1 : lf;
      if (this.#atLineStart && chunk[at] === DOT) pieces.push(A_DOT);
      this.#foldLine(chunk.subarray(at, end), pieces);
      if (lf < 0) break;
      pieces.push(chunk.subarray(end, lf + 1));
      this.#atLineStart = true;
      this.#column = 0;
      at = lf + 1;
    }
    return pieces;
  }

  /** A stretch of one line. The blank of a cut counts against the limit, the doubled dot does not, as in Postfix. */
  #foldLine(text: Buffer, pieces: Buffer[]): void {
    let at = 0;
    while (text.length - at > this.#limit - this.#column) {
      pieces.push(text.subarray(at, at + this.#limit - this.#column), CRLF_SPACE);
      at += this.#limit - this.#column;
      this.#column = 1;
      this.#folded = true;
    }
    pieces.push(text.subarray(at));
    this.#column += text.length - at;
    if (text.length > 0) this.#atLineStart = false;
  }
}

/** Whether a line exceeds `limit` bytes; `column` bytes of the first one came before. Jumps over whole lines. */
export function hasLineOver(content: Buffer, limit: number, column = 0): boolean {
  let start = -column;
  while (start + limit < content.length) {
    const farthest = start + limit + 1;
    const lf = farthest < 0 ? -1 : content.lastIndexOf(LF, farthest);
    if (lf < Math.max(start, 0)) return true;
    if (lf === farthest && content[lf - 1] !== CR) return true;
    start = lf + 1;
  }
  return false;
}
