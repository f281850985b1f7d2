import { RecentMap } from "../base/recent_map.ts";

/** Failures of one address, network or user within a time unit. */
interface Failures {
  /** When the time unit began, ms. */
  since: number;
  count: number;
  /** Refused until then, ms; 0 when not. */
  until: number;
}

/** What failures come to, as configured. */
export interface TallyLimits {
  /** Failures within the time unit after which one is refused; 0: never. */
  readonly limit: number;
  /** Milliseconds. */
  readonly unit: number;
  /** How long one is refused, milliseconds. */
  readonly ban: number;
}

/** Who is refused. */
export interface Ban {
  readonly key: string;
  readonly failures: number;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** Failures by key. Bounded: who has not failed for longest is forgotten first. */
export class FailureTally {
  readonly #failures: RecentMap<string, Failures>;

  /** At least the `least` that failed last are remembered, and no more than twice as many. */
  constructor(least: number) {
    this.#failures = new RecentMap(least);
  }

  /** How many there were in this time unit. */
  count(key: string, now: number, { unit }: TallyLimits): number {
    return this.#current(key, now, unit)?.count ?? 0;
  }

  /** Milliseconds that it is refused for from now on; 0 when it is not. */
  refusedFor(key: string, now: number): number {
    const until = this.#failures.get(key)?.until ?? 0;
    return Math.max(until - now, 0);
  }

  /** Counts one more; answers whether that was the one too many. */
  add(key: string, now: number, { limit, unit, ban }: TallyLimits): boolean {
    const failures = this.#current(key, now, unit) ?? { since: now, count: 0, until: 0 };
    failures.count++;
    this.#failures.set(key, failures);
    if (limit === 0 || failures.count < limit || failures.until > now) return false;
    failures.until = now + ban;
    return true;
  }

  /** Refuses a key as it was before a restart. */
  restore(key: string, now: number, { failures, until }: Pick<Ban, "failures" | "until">): void {
    this.#failures.set(key, { since: now, count: failures, until });
  }

  *bans(now: number): Generator<Ban> {
    for (const [key, { count: failures, until }] of this.#failures.entries()) {
      if (until > now) yield { key, failures, until };
    }
  }

  /** Forgets a key; whether it was refused. */
  forget(key: string, now: number): boolean {
    const refused = this.refusedFor(key, now) > 0;
    this.#failures.delete(key);
    return refused;
  }

  get size(): number {
    return this.#failures.size;
  }

  /** What counts now: a ban that is over, or a time unit without one, begins anew. */
  #current(key: string, now: number, unit: number): Failures | undefined {
    const failures = this.#failures.get(key);
    if (failures === undefined || failures.until > now) return failures;
    if (failures.until === 0 && failures.since + unit > now) return failures;
    this.#failures.delete(key);
    return undefined;
  }
}
