import { GatheredBytes } from "../base/gathered_bytes.ts";

const LF = 10;

const isBlank = (byte: number | undefined) => byte === 32 || byte === 9;

/**
 * Header text that is not edited yet. It tells when looking at it anew can find something: when its first line is complete, which
 * may be no header at all, and when a line has ended that the next one does not continue (RFC 5322 §2.2.3). So text that drips in
 * is not gone over with every packet.
 */
export class PendingHeader {
  readonly #gathered = new GatheredBytes();
  /** The first line is complete. */
  #hasLine = false;
  #afterLf = false;

  get length(): number {
    return this.#gathered.length;
  }

  /** One character a byte. */
  get text(): string {
    return this.#gathered.bytes.toString("latin1");
  }

  /** Takes more text in; answers whether it completes something. */
  add(piece: Buffer): boolean {
    if (piece.length === 0) return false;
    this.#gathered.add(piece);
    const ripe = !this.#hasLine && piece.includes(LF) || this.#afterLf && !isBlank(piece[0]) ||
      endsField(piece);
    this.#hasLine ||= ripe;
    this.#afterLf = piece[piece.length - 1] === LF;
    return ripe;
  }

  /** The first so many bytes are dealt with. */
  drop(count: number): void {
    if (count === 0) return;
    this.#gathered.take(count);
    this.#hasLine = this.#gathered.lineEnd() >= 0;
    this.#afterLf &&= this.#gathered.length > 0;
  }
}

/** Whether there is a line end in it that is followed by something else than a blank. */
function endsField(piece: Buffer): boolean {
  for (let at = piece.indexOf(LF); at >= 0; at = piece.indexOf(LF, at + 1)) {
    if (at + 1 < piece.length && !isBlank(piece[at + 1])) return true;
  }
  return false;
}
