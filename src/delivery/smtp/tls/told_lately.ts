/** How long a text is not told again, in milliseconds. */
const QUIET = 100_000;
/** Texts that are remembered. */
const MOST = 1000;

/** Tells which of many warnings are news: what a domain publishes is the same for each of a thousand messages to it. */
export class ToldLately {
  readonly #now: () => number;
  /** When, the longest ago first. */
  readonly #told = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Those that have not been told lately; from now on they have. */
  news(texts: readonly string[]): readonly string[] {
    return texts.filter((text) => {
      const now = this.#now();
      const before = this.#told.get(text);
      if (before !== undefined && now - before < QUIET) return false;
      this.#told.delete(text);
      this.#told.set(text, now);
      const [oldest] = this.#told.keys();
      if (this.#told.size > MOST && oldest !== undefined) this.#told.delete(oldest);
      return true;
    });
  }
}
