/** A heap of slots; the caller's order decides who is first, and `place` remembers where each slot is (-1 = nowhere). */
export interface HeapView {
  before(one: number, other: number): boolean;
  place(slot: number, at: number): void;
  placeOf(slot: number): number;
}

/** Slots by due time, 4 bytes each; any slot can be taken out in logarithmic time. */
export class DueHeap {
  #slots = new Uint32Array(256);
  #size = 0;
  readonly #view: HeapView;

  constructor(view: HeapView) {
    this.#view = view;
  }

  get size(): number {
    return this.#size;
  }

  /** The slot that is due first. */
  get first(): number | undefined {
    return this.#size === 0 ? undefined : this.#slots[0];
  }

  push(slot: number): void {
    if (this.#size === this.#slots.length) {
      const bigger = new Uint32Array(this.#size * 2);
      bigger.set(this.#slots);
      this.#slots = bigger;
    }
    this.#rise(slot, this.#size++);
  }

  remove(slot: number): void {
    const at = this.#view.placeOf(slot);
    this.#view.place(slot, -1);
    const last = this.#slots[--this.#size]!;
    if (last === slot) return;
    if (at > 0 && this.#view.before(last, this.#slots[(at - 1) >> 1]!)) this.#rise(last, at);
    else this.#sink(last, at);
  }

  #set(slot: number, at: number): void {
    this.#slots[at] = slot;
    this.#view.place(slot, at);
  }

  #rise(slot: number, at: number): void {
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!this.#view.before(slot, this.#slots[up]!)) break;
      this.#set(this.#slots[up]!, at);
      at = up;
    }
    this.#set(slot, at);
  }

  #sink(slot: number, at: number): void {
    for (;;) {
      let down = 2 * at + 1;
      if (down >= this.#size) break;
      if (down + 1 < this.#size && this.#view.before(this.#slots[down + 1]!, this.#slots[down]!)) down++;
      if (!this.#view.before(this.#slots[down]!, slot)) break;
      this.#set(this.#slots[down]!, at);
      at = down;
    }
    this.#set(slot, at);
  }
}
