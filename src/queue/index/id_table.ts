import type { IdParts } from "../queue_id.ts";

/** Where the ids are kept, a slot each. */
export interface IdColumns {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  readonly c: Uint32Array;
}

function hash({ a, b, c }: IdParts): number {
  let h = Math.imul(b, 0x9e3779b1) ^ Math.imul(c, 0x85ebca6b) ^ Math.imul(a, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}

/** From id to slot: open addressing in one typed array, 8 to 16 bytes a message. */
export class IdTable {
  #cells = new Int32Array(1024); // slot + 1; 0 is empty
  #used = 0;

  find(id: IdParts, columns: IdColumns): number {
    const mask = this.#cells.length - 1;
    for (let at = hash(id) & mask;; at = (at + 1) & mask) {
      const slot = this.#cells[at]! - 1;
      if (slot < 0) return -1;
      if (columns.b[slot] === id.b && columns.c[slot] === id.c && columns.a[slot] === id.a) return slot;
    }
  }

  insert(slot: number, columns: IdColumns): void {
    if ((this.#used + 1) * 2 > this.#cells.length) this.#resize(this.#cells.length * 2, columns);
    this.#put(slot, columns);
    this.#used++;
  }

  /** Makes room for so many ids at once. */
  reserve(count: number, columns: IdColumns): void {
    let length = this.#cells.length;
    while (length < count * 2) length *= 2;
    if (length > this.#cells.length) this.#resize(length, columns);
  }

  remove(slot: number, columns: IdColumns): void {
    const mask = this.#cells.length - 1;
    let at = this.#home(slot, columns, mask);
    while (this.#cells[at] !== slot + 1) at = (at + 1) & mask;
    this.#closeGap(at, columns, mask);
    this.#used--;
  }

  /** Moves later entries of the chain back, so that no mark of the removed one is needed. */
  #closeGap(gap: number, columns: IdColumns, mask: number): void {
    for (let at = (gap + 1) & mask; this.#cells[at] !== 0; at = (at + 1) & mask) {
      const home = this.#home(this.#cells[at]! - 1, columns, mask);
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      this.#cells[gap] = this.#cells[at]!;
      gap = at;
    }
    this.#cells[gap] = 0;
  }

  #home(slot: number, columns: IdColumns, mask: number): number {
    return hash({ a: columns.a[slot]!, b: columns.b[slot]!, c: columns.c[slot]! }) & mask;
  }

  #put(slot: number, columns: IdColumns): void {
    const mask = this.#cells.length - 1;
    let at = this.#home(slot, columns, mask);
    while (this.#cells[at] !== 0) at = (at + 1) & mask;
    this.#cells[at] = slot + 1;
  }

  #resize(length: number, columns: IdColumns): void {
    const old = this.#cells;
    this.#cells = new Int32Array(length);
    for (const cell of old) if (cell !== 0) this.#put(cell - 1, columns);
  }
}
