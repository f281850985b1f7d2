import { hasLineOver } from "./dot_stuffing.ts";

const CR = 13;
const LF = 10;
const CUT = Buffer.from("\r\n ");

/**
 * Cuts lines over a limit with CR LF and a blank, as they would be on their way out (smtp_line_length_limit). Content without such lines
 * is jumped through from line end to line end. A CR with no LF behind it, just where a piece and the limit end, is not seen.
 */
export class LineCutter {
  readonly #limit: number;
  /** Bytes of the current line that have come. */
  #column = 0;

  /** `limit` in bytes without CR LF; 0: none. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What takes the place of these bytes; undefined when nothing of them is cut. */
  push(bytes: Buffer): Buffer | undefined {
    if (this.#limit === 0 || bytes.length === 0) return undefined;
    if (!hasLineOver(bytes, this.#limit, this.#column)) return this.#pass(bytes);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const lf = bytes.indexOf(LF, at);
      const stop = lf < 0 ? bytes.length : lf;
      const end = stop > at && bytes[stop - 1] === CR ? stop - 1 : stop;
      this.#cutLine(bytes.subarray(at, end), pieces);
      at = lf < 0 ? bytes.length : lf + 1;
      pieces.push(bytes.subarray(end, at));
      if (lf >= 0) this.#column = 0;
    }
    return Buffer.concat(pieces);
  }

  #pass(bytes: Buffer): undefined {
    const end = bytes.at(-1) === CR ? bytes.length - 1 : bytes.length;
    const last = bytes.lastIndexOf(LF);
    this.#column = last < 0 ? this.#column + end : end - last - 1;
  }

  /** A stretch of one line. */
  #cutLine(text: Buffer, pieces: Buffer[]): void {
    let at = 0;
    for (let room = this.#limit - this.#column; text.length - at > room; room = this.#limit - 1) {
      pieces.push(text.subarray(at, at + Math.max(room, 0)), CUT);
      at += Math.max(room, 0);
      this.#column = 1;
    }
    pieces.push(text.subarray(at));
    this.#column += text.length - at;
  }
}
