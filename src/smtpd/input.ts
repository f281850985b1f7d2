import { GatheredBytes } from "../base/gathered_bytes.ts";

const CR = Buffer.from("\r");

/** A line, or none yet. `tooLong` holds the start of a line that has just turned out to be over the limit. */
export interface TakenLine {
  /** Without its LF, cut at the limit; undefined when no line is complete. */
  readonly line: Buffer | undefined;
  readonly tooLong: Buffer | undefined;
}

/** Bytes that have come and were not worked on yet. Takes no memory while there are none. */
export class Input {
  #gathered: GatheredBytes | undefined;
  /** The rest of a line over the limit is thrown away. */
  #skipping = false;

  get pending(): Buffer | undefined {
    return this.#gathered?.bytes;
  }

  get size(): number {
    return this.#gathered?.length ?? 0;
  }

  add(chunk: Buffer): void {
    if (chunk.length > 0) (this.#gathered ??= new GatheredBytes()).add(chunk);
  }

  /** Everything, which is then no longer here. */
  takeAll(): Buffer | undefined {
    const bytes = this.#gathered?.bytes;
    this.#gathered = undefined;
    return bytes;
  }

  /** Forgets everything, also the line that is being thrown away: what comes next begins anew. */
  forget(): void {
    this.#gathered = undefined;
    this.#skipping = false;
  }

  /** Puts back what was not used of everything. */
  putBack(rest: Buffer): void {
    this.#gathered = undefined;
    this.add(rest);
  }

  /** The next line. An overlong one is cut, not refused (line_length_limit), and costs no memory however long it is. */
  takeLine(limit: number): TakenLine {
    const gathered = this.#gathered;
    if (gathered === undefined) return NO_LINE;
    const end = gathered.lineEnd();
    if (end < 0) return { line: undefined, tooLong: this.#forget(gathered, limit) };
    const line = gathered.take(end + 1).subarray(0, end);
    if (gathered.length === 0) this.#gathered = undefined;
    const cut = this.#skipping || end > limit;
    const tooLong = cut && !this.#skipping ? line : undefined;
    this.#skipping = false;
    return { line: cut ? Buffer.concat([line.subarray(0, limit), CR]) : line, tooLong };
  }

  #forget(gathered: GatheredBytes, limit: number): Buffer | undefined {
    if (gathered.length <= limit) return undefined;
    const first = !this.#skipping;
    this.#skipping = true;
    const tooLong = first ? gathered.bytes : undefined;
    gathered.keep(limit);
    return tooLong;
  }
}

const NO_LINE: TakenLine = { line: undefined, tooLong: undefined };
