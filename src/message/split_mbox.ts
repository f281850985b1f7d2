const [SEPARATOR, LF] = ["From ", 10];

/**
 * The messages of an mbox file (RFC 4155) whose bytes come in pieces: a line that begins with `From `, at the top or behind an empty
 * line, begins one. Of a message no more than `most` bytes are kept; a longer one is undefined.
 */
export class MboxSplitter {
  readonly #most: number;
  /** What has been read of the message, and not yet looked at. */
  #held: Buffer = Buffer.alloc(0);
  #isTooLong = false;
  /** Where the search for the next message goes on in `#held`. */
  #searched = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** The messages that are complete with these bytes, their `From ` lines left out. */
  *push(chunk: Buffer): Generator<Buffer | undefined> {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (let next = this.#next(); next >= 0; next = this.#next()) {
      yield* this.#take(next);
    }
    if (this.#held.length <= this.#most) return;
    this.#isTooLong = true;
    this.#held = this.#held.subarray(-(SEPARATOR.length + 4));
    this.#searched = 0;
  }

  /** What is left at the end. */
  *end(): Generator<Buffer | undefined> {
    yield* this.#take(this.#held.length);
  }

  /** Where the next message begins; -1 when that has not come. */
  #next(): number {
    for (let at = this.#searched;; at++) {
      at = this.#held.indexOf(`\n${SEPARATOR}`, at);
      if (at < 0) break;
      if (this.#isBehindEmptyLine(at)) return at + 1;
    }
    this.#searched = Math.max(0, this.#held.length - SEPARATOR.length);
    return -1;
  }

  #isBehindEmptyLine(at: number): boolean {
    const before = this.#held[at - 1] === 13 ? at - 2 : at - 1;
    return this.#held[before] === LF;
  }

  *#take(end: number): Generator<Buffer | undefined> {
    const message = this.#held.subarray(0, end);
    const isTooLong = this.#isTooLong || message.length > this.#most;
    this.#held = this.#held.subarray(end);
    [this.#isTooLong, this.#searched] = [false, 0];
    if (isTooLong) return yield undefined;
    const content = withoutSeparator(message);
    if (content.length > 0) yield content;
  }
}

function withoutSeparator(message: Buffer): Buffer {
  if (!message.subarray(0, SEPARATOR.length).equals(Buffer.from(SEPARATOR))) return message;
  const end = message.indexOf(LF);
  return end < 0 ? message.subarray(message.length) : message.subarray(end + 1);
}
