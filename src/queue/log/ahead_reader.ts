import type { Segment } from "./segment.ts";

const WINDOW = 256 * 1024;
/** What is asked for so closely behind the last is one of many in a row. */
const CLOSE = 16 * 1024;

/** Reads places of segments one after another: those that lie close together a window at a time, others as they are asked for. */
export class AheadReader {
  #segment: Segment | undefined;
  #base = 0;
  #last = 0;
  #bytes: Buffer = Buffer.alloc(0);
  /** One window serves all: a new one each time would be garbage faster than it is collected. */
  #window: Buffer | undefined;

  /** The bytes at a place, until the next call. Rejects when they are not all there. */
  async read(segment: Segment, offset: number, length: number): Promise<Buffer> {
    const isSame = segment === this.#segment;
    if (!isSame || offset < this.#base || offset + length > this.#base + this.#bytes.length) {
      const isClose = isSame && offset >= this.#last && offset - this.#last <= CLOSE;
      const wanted = isClose ? Math.max(length, Math.min(WINDOW, segment.end - offset)) : length;
      this.#segment = undefined;
      const room = isClose && wanted <= WINDOW ? this.#window ??= Buffer.allocUnsafeSlow(WINDOW) : undefined;
      this.#bytes = await segment.read(offset, wanted, room);
      [this.#segment, this.#base] = [segment, offset];
    }
    this.#last = offset;
    return this.#bytes.subarray(offset - this.#base, offset - this.#base + length);
  }
}
