/** Where a new file's bytes go. */
export interface ByteSink {
  write(bytes: Uint8Array, position: number): void;
}

const CHUNK = 1 << 18;

/** Gathers small pieces that follow each other, so that a million records are some dozen writes. */
export class Gathering implements ByteSink {
  readonly #sink: ByteSink;
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK);
  #position = 0;
  #filled = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  write(bytes: Uint8Array, position: number): void {
    const follows = position === this.#position + this.#filled;
    if (!follows || this.#filled + bytes.length > CHUNK) this.flush();
    if (bytes.length > CHUNK >> 1) return this.#sink.write(bytes, position);
    if (this.#filled === 0) this.#position = position;
    this.#chunk.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  flush(): void {
    if (this.#filled > 0) this.#sink.write(this.#chunk.subarray(0, this.#filled), this.#position);
    this.#filled = 0;
  }
}

/** Gathers pages that follow each other and hands them on in large pieces. */
export class PageSink {
  readonly #sink: ByteSink;
  readonly #pageSize: number;
  readonly #chunk: Buffer;
  #position: number;
  #filled = 0;

  constructor(sink: ByteSink, pageSize: number, firstPage: number) {
    this.#sink = sink;
    this.#pageSize = pageSize;
    this.#chunk = Buffer.alloc(Math.max(CHUNK, pageSize));
    this.#position = firstPage * pageSize;
  }

  /** Number of the page that comes next. */
  get next(): number {
    return (this.#position + this.#filled) / this.#pageSize;
  }

  /** The next page, zeroed, to be filled in place before the next call. */
  page(): Buffer {
    if (this.#filled + this.#pageSize > this.#chunk.length) this.flush();
    const page = this.#chunk.subarray(this.#filled, this.#filled + this.#pageSize);
    page.fill(0);
    this.#filled += this.#pageSize;
    return page;
  }

  flush(): void {
    if (this.#filled === 0) return;
    this.#sink.write(this.#chunk.subarray(0, this.#filled), this.#position);
    this.#position += this.#filled;
    this.#filled = 0;
  }
}
