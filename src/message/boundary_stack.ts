import type { BodyType } from "./content_type.ts";

interface Boundary {
  /** With the dashes in front. */
  readonly text: string;
  readonly parts: BodyType;
  /** A line end, and what the lines of this boundary and of those around it have in common. */
  readonly needle: Buffer;
}

/** A line with a boundary. */
export interface Crossing {
  /** It ends the multipart. */
  readonly closes: boolean;
  /** What the part behind it is unless it says otherwise. */
  readonly parts: BodyType;
}

const DASHES = "--";

function inCommon(a: Buffer, b: Buffer): Buffer {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return a.subarray(0, length);
}

/** The boundaries of the multiparts that are open, each inside the one before it. */
export class BoundaryStack {
  readonly #limit: number;
  readonly #open: Boundary[] = [];
  /** So many bytes of a line tell whether it has a boundary. */
  longest = 0;

  /** Of a boundary `limit` bytes are compared: intermediate lines are still found then. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get depth(): number {
    return this.#open.length;
  }

  push(boundary: string, parts: BodyType): void {
    const text = DASHES + boundary.slice(0, this.#limit);
    const line = Buffer.from(`\n${text}`, "latin1");
    const around = this.#open.at(-1)?.needle;
    this.#open.push({ text, parts, needle: around === undefined ? line : inCommon(around, line) });
    this.longest = Math.max(this.longest, text.length + 2);
  }

  /**
   * Whether a line, without its line end, has a boundary. That of any multipart around ends what is inside it (RFC 2046 §5.1.2),
   * and more may follow it in the line. The multiparts that end are taken off.
   */
  cross(line: string): Crossing | undefined {
    const level = this.#levelOf(line);
    if (level < 0) return undefined;
    const { text, parts } = this.#open[level]!;
    const closes = line.startsWith(DASHES, text.length);
    this.#open.length = closes ? level : level + 1;
    return { closes, parts };
  }

  has(line: string): boolean {
    return this.#levelOf(line) >= 0;
  }

  #levelOf(line: string): number {
    if (line.length <= 2 || !line.startsWith(DASHES)) return -1;
    return this.#open.findLastIndex(({ text }) => line.startsWith(text));
  }

  /** Start of the next line behind `from` that may have a boundary; -1 when there is none. */
  search(bytes: Buffer, from: number): number {
    const found = bytes.indexOf(this.#open.at(-1)!.needle, from);
    return found < 0 ? -1 : found + 1;
  }
}
