/** An element of a heap: remembers where it stands, so that it can be moved and taken out in O(log n). */
export interface HeapItem {
  /** Position in its heap, -1 outside. Owned by the heap. */
  heapAt: number;
}

/** A binary min-heap whose elements can change their rank or leave from the middle. */
export class Heap<Item extends HeapItem> {
  readonly #items: Item[] = [];
  readonly #before: (a: Item, b: Item) => boolean;

  constructor(before: (a: Item, b: Item) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first element, left in place. */
  peek(): Item | undefined {
    return this.#items[0];
  }

  /** Every element, in no order. */
  items(): readonly Item[] {
    return this.#items;
  }

  push(item: Item): void {
    item.heapAt = this.#items.length;
    this.#items.push(item);
    this.#up(item);
  }

  pop(): Item | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Takes an element out; nothing happens when it is in no heap. */
  remove(item: Item): void {
    const at = item.heapAt;
    if (at < 0) return;
    item.heapAt = -1;
    const last = this.#items.pop()!;
    if (last === item) return;
    this.#place(last, at);
    this.update(last);
  }

  /** Puts an element right whose rank has changed. */
  update(item: Item): void {
    this.#up(item);
    this.#down(item);
  }

  #place(item: Item, at: number): void {
    this.#items[at] = item;
    item.heapAt = at;
  }

  #up(item: Item): void {
    let at = item.heapAt;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = this.#items[above]!;
      if (!this.#before(item, other)) break;
      this.#place(other, at);
      at = above;
    }
    this.#place(item, at);
  }

  #down(item: Item): void {
    const count = this.#items.length;
    let at = item.heapAt;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= count) break;
      if (below + 1 < count && this.#before(this.#items[below + 1]!, this.#items[below]!)) below++;
      const other = this.#items[below]!;
      if (!this.#before(other, item)) break;
      this.#place(other, at);
      at = below;
    }
    this.#place(item, at);
  }
}
