const LF = 10;
const NOTHING = Buffer.alloc(0);
/** Room for as little as a packet may bring. */
const LEAST_ROOM = 64;

/**
 * Bytes that come in pieces and wait for what completes them. However small the pieces are, each byte is copied a bounded number of
 * times, since the room grows by doubling, and is searched for a line end once. The first piece is kept as it came.
 */
export class GatheredBytes {
  #room: Buffer = NOTHING;
  #start = 0;
  #end = 0;
  /** The room may be written into: a piece that was taken as it came is its sender's. */
  #own = false;
  /** Up to here there is no line end. */
  #searched = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** All that is there; stays as it is when more comes. */
  get bytes(): Buffer {
    return this.#room.subarray(this.#start, this.#end);
  }

  add(piece: Buffer): void {
    if (this.#start === this.#end) return this.#hold(piece);
    const end = this.#end + piece.length;
    if (!this.#own || end > this.#room.length) this.#grow(this.length + piece.length);
    piece.copy(this.#room, this.#end);
    this.#end += piece.length;
  }

  #hold(piece: Buffer): void {
    this.#room = piece;
    this.#start = this.#searched = 0;
    this.#end = piece.length;
    this.#own = false;
  }

  #grow(needed: number): void {
    const [length, searched] = [this.length, this.#searched - this.#start];
    const larger = Buffer.allocUnsafe(Math.max(2 * needed, LEAST_ROOM));
    this.#room.copy(larger, 0, this.#start, this.#end);
    this.#room = larger;
    this.#own = true;
    this.#start = 0;
    this.#end = length;
    this.#searched = Math.max(searched, 0);
  }

  /** Where the first LF is, counted from the first byte; -1 when there is none. */
  lineEnd(): number {
    const from = Math.max(this.#searched, this.#start);
    // Behind the end of a room that has grown there may be anything.
    const found = this.#end === this.#room.length
      ? this.#room.indexOf(LF, from)
      : this.#room.subarray(0, this.#end).indexOf(LF, from);
    this.#searched = found < 0 ? this.#end : found;
    return found < 0 ? -1 : found - this.#start;
  }

  /** Takes so many bytes off the front. */
  take(count: number): Buffer {
    const taken = this.#room.subarray(this.#start, this.#start + count);
    this.#start += count;
    if (this.#start === this.#end) this.clear();
    return taken;
  }

  /** Forgets what is beyond so many bytes; views of it that were given out may change when more comes. */
  keep(count: number): void {
    this.#end = Math.min(this.#end, this.#start + count);
    this.#searched = Math.min(this.#searched, this.#end);
  }

  clear(): void {
    this.#hold(NOTHING);
  }
}
