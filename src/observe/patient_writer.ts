/** Lines wait for a busy reader up to so many bytes; beyond it they are lost, and counted. */
const MOST_WAITING = 4 * 1024 * 1024;
/** After a loss nothing is taken until there is so much room again: one gap with a number instead of many. */
const ROOM_AGAIN = MOST_WAITING / 2;
/** How often a busy reader is tried, in milliseconds. */
const RETRY = 20;
/** A process that ends waits for a busy reader this many times. */
const LAST_TRIES = 50;

/** What takes the lines. */
export interface PatientOptions {
  /** Answers how many bytes were taken, 0 while the reader is busy, and undefined when they are lost. */
  readonly send: (piece: Buffer) => number | undefined;
  /** The line that stands where lines are missing. */
  readonly gap: (lines: number) => Buffer;
  /** Lines in a piece. */
  readonly linesIn: (piece: Buffer) => number;
  /** Hears how many lines are lost. */
  readonly lost?: ((lines: number) => void) | undefined;
  /** Stops everything for a moment. */
  readonly block: (milliseconds: number) => void;
}

/** Some lines of the log, or what stands for so many that are missing. */
interface Piece {
  readonly bytes: Buffer;
  readonly missing?: number;
}

/**
 * Pieces of the log on their way to a reader that may be slow, or may have stopped reading: mail never waits for it. What cannot be
 * kept is lost, and a line in its place says how much that was.
 */
export class PatientWriter {
  readonly #options: PatientOptions;
  #waiting: Piece[] = [];
  #bytes = 0;
  /** Lines lost since the last gap was written. */
  #lost = 0;
  #full = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: PatientOptions) {
    this.#options = options;
  }

  push(bytes: Buffer): void {
    if (this.#full || this.#bytes + bytes.length > MOST_WAITING) {
      this.#full = true;
      return this.#lose({ bytes });
    }
    if (this.#lost > 0) this.#markGap();
    this.#take({ bytes });
    if (this.#timer === undefined) this.#drain();
  }

  /** Waits a moment for a reader that `listens`, for the end of the process; answers how many lines were not taken. */
  flush(listens: () => boolean = () => true): number {
    this.#drain();
    for (let tries = 0; this.#waiting.length > 0 && tries < LAST_TRIES && listens(); tries++) {
      this.#options.block(RETRY);
      this.#drain();
    }
    clearTimeout(this.#timer);
    return this.#waiting.reduce((sum, piece) => sum + this.#linesOf(piece), this.#lost);
  }

  #take(piece: Piece): void {
    this.#waiting.push(piece);
    this.#bytes += piece.bytes.length;
  }

  #markGap(): void {
    this.#take({ bytes: this.#options.gap(this.#lost), missing: this.#lost });
    this.#lost = 0;
  }

  #linesOf({ bytes, missing }: Piece): number {
    return missing ?? this.#options.linesIn(bytes);
  }

  #lose(piece: Piece): void {
    const lines = this.#linesOf(piece);
    this.#lost += lines;
    if (piece.missing === undefined) this.#options.lost?.(lines);
  }

  #drain(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let at = 0;
    let failed = false;
    for (; at < this.#waiting.length; at++) {
      const piece = this.#waiting[at]!;
      const { bytes } = piece;
      const taken = this.#options.send(bytes);
      failed = taken === undefined;
      this.#bytes -= taken ?? bytes.length;
      if (taken === undefined) this.#lose(piece);
      else if (taken < bytes.length) {
        this.#waiting[at] = { ...piece, bytes: bytes.subarray(taken) };
        break;
      }
    }
    this.#waiting.splice(0, at);
    if (this.#bytes <= ROOM_AGAIN) this.#full = false;
    if (!this.#full && this.#lost > 0 && !failed) this.#markGap();
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#drain(), RETRY);
  }
}
