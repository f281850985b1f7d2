import { GatheredBytes } from "./gathered_bytes.ts";

/** Cuts a stream of bytes into lines of at most so many bytes. */
export class LineReader {
  readonly #limit: number;
  readonly #rest = new GatheredBytes();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of a line that has begun. */
  get pending(): number {
    return this.#rest.length;
  }

  /** Hands on each line that is complete; false when one is longer than the limit: the stream is of no use then. */
  push(chunk: Buffer, line: (text: string) => void): boolean {
    this.#rest.add(chunk);
    for (let end = this.#rest.lineEnd(); end >= 0; end = this.#rest.lineEnd()) {
      if (end > this.#limit) return false;
      line(this.#rest.take(end + 1).toString("utf8", 0, end));
    }
    return this.#rest.length <= this.#limit;
  }
}
