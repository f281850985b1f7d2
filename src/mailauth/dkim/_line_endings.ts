const [CR, LF] = [13, 10];
/** Line ends that are compared or handed on at a time. */
const ENDS = Buffer.from("\r\n".repeat(512), "latin1");
const LONE_CR = ENDS.subarray(0, 1);

/**
 * Holds back the line ends behind the last line that is not empty, and gives one at the end (RFC 6376 §3.4.3): what is held is a count. `emptyIsLine`: where
 * there is no body at all, it is one line end still (simple), or nothing (relaxed).
 */
export class LineEndings {
  readonly #next: (bytes: Uint8Array) => void;
  readonly #emptyIsLine: boolean;
  /** CR LFs that are held back. */
  #held = 0;
  /** A CR is held back behind them, whose LF may be the next byte. */
  #cr = false;
  /** Something has been handed on. */
  #begun = false;
  #ended = false;

  constructor(next: (bytes: Uint8Array) => void, { emptyIsLine }: { readonly emptyIsLine: boolean }) {
    this.#next = next;
    this.#emptyIsLine = emptyIsLine;
  }

  push(bytes: Uint8Array): void {
    let rest = bytes;
    if (this.#cr) {
      this.#cr = false;
      if (rest[0] === LF) {
        this.#held++;
        rest = rest.subarray(1);
      } else {
        this.#give(LONE_CR);
      }
    }
    let end = rest.length;
    const isCr = end > 0 && rest[end - 1] === CR;
    if (isCr) end--;
    const content = endOfContent(rest, end);
    if (content > 0) this.#give(rest.subarray(0, content));
    this.#held += (end - content) / 2;
    this.#cr = isCr;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#cr) this.#give(LONE_CR);
    if (this.#begun || this.#emptyIsLine) this.#next(ENDS.subarray(0, 2));
  }

  #give(bytes: Uint8Array): void {
    this.#begun = true;
    while (this.#held > 0) {
      const ends = ENDS.subarray(0, 2 * this.#held);
      this.#next(ends);
      this.#held -= ends.length / 2;
    }
    this.#next(bytes);
  }
}

/** Where the run of CR LFs begins that ends at `end`. */
function endOfContent(bytes: Uint8Array, end: number): number {
  let at = end;
  while (at >= ENDS.length && ENDS.equals(bytes.subarray(at - ENDS.length, at))) at -= ENDS.length;
  while (at >= 2 && bytes[at - 1] === LF && bytes[at - 2] === CR) at -= 2;
  return at;
}
