/** Which slots were met: a bit each. */
export class SlotSet {
  #words = new Uint32Array(0);

  has(slot: number): boolean {
    return ((this.#words[slot >>> 5] ?? 0) & (1 << (slot & 31))) !== 0;
  }

  add(slot: number): void {
    const at = slot >>> 5;
    if (at >= this.#words.length) {
      const bigger = new Uint32Array(Math.max(1024, 2 * at));
      bigger.set(this.#words);
      this.#words = bigger;
    }
    this.#words[at]! |= 1 << (slot & 31);
  }
}
