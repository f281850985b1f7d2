const LF = 10;
const CR = Buffer.from("\r");

/** A line, or none yet. `tooLong` holds the start of a line that has just turned out to be over the limit. */
export interface TakenLine {
  /** Without its LF, cut at the limit; undefined when no line is complete. */
  readonly line: Buffer | undefined;
  readonly tooLong: Buffer | undefined;
}

/** Bytes that have come and were not worked on yet. Takes no memory while there are none. */
export class Input {
  #bytes: Buffer | undefined;
  /** The rest of a line over the limit is thrown away. */
  #skipping = false;

  get pending(): Buffer | undefined {
    return this.#bytes;
  }

  get size(): number {
    return this.#bytes?.length ?? 0;
  }

  add(chunk: Buffer): void {
    this.#bytes = this.#bytes === undefined ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** Everything, which is then no longer here. */
  takeAll(): Buffer | undefined {
    const bytes = this.#bytes;
    this.#bytes = undefined;
    return bytes;
  }

  /** Puts back what was not used. */
  putBack(rest: Buffer): void {
    this.#bytes = rest.length === 0 ? undefined : rest;
  }

  /** The next line. An overlong one is cut, not refused (line_length_limit), and costs no memory however long it is. */
  takeLine(limit: number): TakenLine {
    const bytes = this.#bytes;
    const end = bytes === undefined ? -1 : bytes.indexOf(LF);
    if (bytes === undefined || end < 0) return { line: undefined, tooLong: this.#forget(bytes, limit) };
    this.putBack(bytes.subarray(end + 1));
    const line = bytes.subarray(0, end);
    const cut = this.#skipping || end > limit;
    const tooLong = cut && !this.#skipping ? line : undefined;
    this.#skipping = false;
    return { line: cut ? Buffer.concat([line.subarray(0, limit), CR]) : line, tooLong };
  }

  #forget(bytes: Buffer | undefined, limit: number): Buffer | undefined {
    if (bytes === undefined || bytes.length <= limit) return undefined;
    const first = !this.#skipping;
    this.#skipping = true;
    this.#bytes = Buffer.from(bytes.subarray(0, limit));
    return first ? bytes : undefined;
  }
}
