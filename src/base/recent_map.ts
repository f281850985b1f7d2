/**
 * A map of bounded size: what has not been set for longest is forgotten first, by halves. Nothing is ever deleted from the front of a
 * Map, whose first key the runtime then finds only behind all that were there before.
 */
export class RecentMap<Key, Value> {
  readonly #half: number;
  #young = new Map<Key, Value>();
  #old = new Map<Key, Value>();

  /** Keeps at least the `least` that were set last, and at most twice as many. */
  constructor(least: number) {
    this.#half = least;
  }

  get(key: Key): Value | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  has(key: Key): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  set(key: Key, value: Value): void {
    if (this.#young.size >= this.#half && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
    this.#old.delete(key);
  }

  delete(key: Key): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  *entries(): Generator<readonly [Key, Value]> {
    yield* this.#old;
    yield* this.#young;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
