import type { Session } from "./client_session.ts";

/** What the cache goes by. */
export interface CacheLimits {
  /** How long a session waits for its next delivery, in milliseconds (smtp_connection_cache_time_limit). */
  readonly idle: number;
  /** How long it is used at all (smtp_connection_reuse_time_limit). */
  readonly reuse: number;
  /** Deliveries it may serve; 0 = no limit (smtp_connection_reuse_count_limit). */
  readonly count: number;
  /** Sessions that may be kept at a time. */
  readonly kept: number;
}

/** Next hops of which it is known when mail last came for them, and servers of which it is known how much they take. */
const MOST_KNOWN = 1000;

/** What a server takes over one connection. */
interface Patience {
  readonly deliveries: number;
  /** When that is forgotten. */
  readonly until: number;
}

/**
 * Connections that wait for the next message, under the next hop they were opened for and under their address (scache(8)). A
 * session is with the cache or with one delivery, never both.
 */
export class ConnectionCache {
  readonly #limits: CacheLimits;
  readonly #now: () => number;
  /** Oldest first. */
  readonly #idle = new Map<Session, readonly string[]>();
  readonly #byKey = new Map<string, Session[]>();
  /** When mail last came for a next hop, longest ago first. */
  readonly #lastMail = new Map<string, number>();
  /** Of servers that have ended connections with 421, longest ago first. */
  readonly #patience = new Map<string, Patience>();
  #closed = false;

  constructor(limits: CacheLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Mail has come for a next hop; answers whether other mail came for it so lately that a connection would still have waited. */
  mailCame(key: string): boolean {
    const [now, last] = [this.#now(), this.#lastMail.get(key)];
    remember(this.#lastMail, key, now);
    return last !== undefined && now - last < this.#limits.idle;
  }

  get size(): number {
    return this.#idle.size;
  }

  /** Whether the session's time and number of uses, and what is known of its server, leave room for another delivery. */
  mayServeAgain(session: Session): boolean {
    const { reuse, count } = this.#limits;
    return session.reusable && !session.ended && this.#now() - session.connectedAt < reuse &&
      (count === 0 || session.uses < count) && session.uses < this.#patienceOf(session);
  }

  /**
   * The server has answered another message over this connection with 421: as long as a connection may be used at all, no other of its
   * connections is asked for more than it took over the best one.
   */
  impatient(session: Session): void {
    const deliveries = Math.max(session.uses - 1, this.#patienceOf(session, 0));
    const until = this.#now() + this.#limits.reuse;
    remember(this.#patience, serverOf(session), { deliveries, until });
  }

  #patienceOf(session: Session, otherwise = Infinity): number {
    if (this.#patience.size === 0) return otherwise;
    const known = this.#patience.get(serverOf(session));
    return known === undefined || known.until <= this.#now() ? otherwise : known.deliveries;
  }

  /** Takes a session out, the one used last; `sole` asks for one to the only server of its destination. */
  take(key: string, sole = false): Session | undefined {
    for (;;) {
      const session = this.#byKey.get(key)?.at(-1);
      if (session === undefined || (sole && !session.sole)) return undefined;
      this.#remove(session);
      if (this.mayServeAgain(session)) return session;
      session.quit();
    }
  }

  /** Keeps a session that is between two messages, until its time is over. */
  keep(session: Session, keys: readonly string[]): void {
    if (this.#closed || !this.mayServeAgain(session) || session.hasInput) return session.quit();
    this.#idle.set(session, keys);
    for (const key of keys) {
      const list = this.#byKey.get(key);
      if (list === undefined) this.#byKey.set(key, [session]);
      else list.push(session);
    }
    session.whileIdle = () => {
      this.#remove(session);
      session.quit();
    };
    session.limit(this.#limits.idle);
    if (this.#idle.size > this.#limits.kept) this.#idle.keys().next().value?.whileIdle?.();
  }

  /** Says goodbye to all, and from now on to whoever comes. */
  close(): void {
    this.#closed = true;
    for (const session of [...this.#idle.keys()]) session.whileIdle?.();
  }

  #remove(session: Session): void {
    session.whileIdle = undefined;
    for (const key of this.#idle.get(session) ?? []) {
      const list = (this.#byKey.get(key) ?? []).filter((other) => other !== session);
      if (list.length === 0) this.#byKey.delete(key);
      else this.#byKey.set(key, list);
    }
    this.#idle.delete(session);
  }
}

const serverOf = ({ peer: { address, port } }: Session) => `${address} ${port}`;

/** The oldest is forgotten when there are too many. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MOST_KNOWN && oldest !== undefined) map.delete(oldest);
}
