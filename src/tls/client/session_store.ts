/** Sessions that are kept at a time. */
const MOST = 1000;

interface Kept<About> {
  readonly session: Buffer;
  readonly about: About;
  readonly until: number;
}

/** TLS sessions that may be resumed, one for each key, each with what was found about it (smtp_tls_session_cache_timeout). */
export class SessionStore<About> {
  readonly #lifetime: number;
  readonly #now: () => number;
  /** Oldest first. */
  readonly #kept = new Map<string, Kept<About>>();

  constructor(lifetime: number, now: () => number) {
    this.#lifetime = lifetime;
    this.#now = now;
  }

  get size(): number {
    return this.#kept.size;
  }

  find(key: string): Kept<About> | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined || this.#now() < kept.until) return kept;
    this.#kept.delete(key);
    return undefined;
  }

  /** Keeps a session; one that goes on from an earlier one lives no longer than that: then the other side is looked at anew. */
  keep(key: string, session: Buffer, about: About, earlier?: Kept<About>): void {
    this.#kept.delete(key);
    this.#kept.set(key, { session, about, until: earlier?.until ?? this.#now() + this.#lifetime });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST && oldest !== undefined) this.#kept.delete(oldest);
  }

  clear(): void {
    this.#kept.clear();
  }

  forget(key: string): void {
    this.#kept.delete(key);
  }
}
