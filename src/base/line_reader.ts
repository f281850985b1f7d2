const LF = 10;
const FIRST = 256;

/**
 * Cuts a stream of bytes into lines of at most so many bytes. What waits for its end of line is held once, in one buffer,
 * however small the pieces are in which it comes.
 */
export class LineReader {
  readonly #limit: number;
  #rest: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of a line that has begun. */
  get pending(): number {
    return this.#used;
  }

  /** Hands on each line that is complete; false when one is longer than the limit: the stream is of no use then. */
  push(chunk: Buffer, line: (text: string) => void): boolean {
    let from = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      const text = this.#complete(chunk, from, end);
      if (text === undefined) return false;
      from = end + 1;
      line(text);
    }
    return this.#keep(chunk, from);
  }

  #complete(chunk: Buffer, from: number, end: number): string | undefined {
    if (this.#used + end - from > this.#limit) return undefined;
    if (this.#used === 0) return chunk.toString("utf8", from, end);
    this.#keep(chunk, from, end);
    const text = Buffer.from(this.#rest.buffer, 0, this.#used).toString("utf8");
    this.#rest = new Uint8Array(0);
    this.#used = 0;
    return text;
  }

  #keep(chunk: Buffer, from: number, to = chunk.length): boolean {
    const need = this.#used + to - from;
    if (need > this.#limit) return false;
    if (need > this.#rest.length) {
      const grown = new Uint8Array(Math.min(Math.max(need, FIRST, 2 * this.#rest.length), this.#limit));
      grown.set(this.#rest.subarray(0, this.#used));
      this.#rest = grown;
    }
    this.#rest.set(chunk.subarray(from, to), this.#used);
    this.#used = need;
    return true;
  }
}
