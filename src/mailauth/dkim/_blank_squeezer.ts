const [TAB, LF, CR, BLANK] = [9, 10, 13, 32];
const TWO_BLANKS = Buffer.from("  ");
const BLANK_CR = Buffer.from(" \r");
/** How much is looked at byte by byte from a place on where there is something to do. */
const STRETCH = 1024;
/** What a stretch becomes: what was held back comes in front of it. */
const squeezed = Buffer.alloc(STRETCH + 2);

/** A search that goes on where it ended before. */
class Search {
  readonly #wanted: number | Buffer;
  #found = -1;

  constructor(wanted: number | Buffer) {
    this.#wanted = wanted;
  }

  /** The first place from `at` on, the length where there is none. */
  from(bytes: Buffer, at: number): number {
    if (this.#found < at) {
      const found = bytes.indexOf(this.#wanted, at);
      this.#found = found < 0 ? bytes.length : found;
    }
    return this.#found;
  }
}

/**
 * Makes each run of blanks and tabs one blank, and leaves out those at the ends of lines (RFC 6376 §3.4.4). Text in which there is nothing to do is found by the
 * runtime's own search and handed on as it is; only from a tab, two blanks in a row or a blank before a CR on a stretch is looked at byte by byte.
 */
export class BlankSqueezer {
  readonly #next: (bytes: Uint8Array) => void;
  /** A run of blanks has come, and it is not known yet whether its line ends behind it. */
  #blank = false;
  /** Behind them a CR has come. */
  #cr = false;

  constructor(next: (bytes: Uint8Array) => void) {
    this.#next = next;
  }

  push(piece: Uint8Array): void {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    const searches = [new Search(TAB), new Search(TWO_BLANKS), new Search(BLANK_CR)];
    // A run that is held back, by the last piece or the last stretch, and one at the end, are looked at too.
    const last = bytes[bytes.length - 1] === BLANK ? bytes.length - 1 : bytes.length;
    let at = 0;
    while (at < bytes.length) {
      if (this.#blank) {
        at = this.#stretch(bytes, at);
        continue;
      }
      let next = last;
      for (const search of searches) next = Math.min(next, search.from(bytes, at));
      if (next > at && bytes[next - 1] === BLANK) next--; // in front of a tab
      if (next > at) this.#next(bytes.subarray(at, next));
      at = next < bytes.length ? this.#stretch(bytes, next) : next;
    }
  }

  /** Blanks at the very end are at the end of a line. */
  end(): void {
    if (this.#cr) this.#next(Buffer.from(" \r", "latin1"));
    this.#blank = this.#cr = false;
  }

  /** Looks at a stretch byte by byte; answers where it ends. */
  #stretch(bytes: Buffer, from: number): number {
    let length = 0;
    let blank = this.#blank;
    if (this.#cr) {
      if (bytes[from] !== LF) squeezed[length++] = BLANK;
      squeezed[length++] = CR;
      blank = this.#cr = false;
    }
    const till = Math.min(from + STRETCH, bytes.length);
    let at = from;
    for (; at < till; at++) {
      const byte = bytes[at]!;
      if (byte === BLANK || byte === TAB) {
        blank = true;
        continue;
      }
      if (blank) {
        if (byte === CR && at + 1 === bytes.length) {
          this.#cr = true;
          at++;
          break;
        }
        if (byte !== CR || bytes[at + 1] !== LF) squeezed[length++] = BLANK;
        blank = false;
      }
      squeezed[length++] = byte;
    }
    this.#blank = blank;
    if (length > 0) this.#next(squeezed.subarray(0, length));
    return at;
  }
}
