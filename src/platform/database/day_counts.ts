import type { Count, CountStore } from "./count_store.ts";

const DAY = 86_400_000;
/** Different things that wait to be written. */
const MOST_WAITING = 5000;

/** The day of UTC that a moment lies in, as reports name it. */
export function dayOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

/** What was counted for a domain on one day: where it is kept, in the order of days. */
export interface DayOfDomain {
  readonly day: string;
  readonly domain: string;
}

export function groupOf({ day, domain }: DayOfDomain): string {
  return `${day} ${domain}`;
}

/** Reads the name of a group. */
export function parseGroup(group: string): DayOfDomain | undefined {
  const match = /^(\d{4}-\d\d-\d\d) (\S+)$/.exec(group);
  return match === null || Number.isNaN(Date.parse(match[1]!))
    ? undefined
    : { day: match[1]!, domain: match[2]! };
}

/** When a day begins and ends, in milliseconds since 1970. */
export function limitsOf(day: string): { readonly begin: number; readonly end: number } {
  const begin = Date.parse(`${day}T00:00:00Z`);
  return { begin, end: begin + DAY };
}

/** Counts by day and domain, for as long as it takes to write it down. Counting never fails and waits for nothing. */
export class DayCounts {
  readonly #now: () => number;
  readonly #waiting = new Map<string, Count>();
  #lost = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** One more of `key` for a domain, today. */
  add(domain: string, key: string): void {
    const group = groupOf({ day: dayOf(this.#now()), domain: domain.toLowerCase() });
    const id = `${group} ${key}`;
    const count = (this.#waiting.get(id)?.count ?? 0) + 1;
    if (count === 1 && this.#waiting.size >= MOST_WAITING) return void this.#lost++;
    this.#waiting.set(id, { group, key, count });
  }

  /** Different things that are not written down yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Writes down what has been counted, at most so many different things; answers how much found no room since the last time. When the
   * store throws, all is kept.
   */
  flush(store: CountStore, most = Infinity): number {
    const first = [...take(this.#waiting, most)];
    if (first.length > 0) this.#lost += store.add(first.map(([, count]) => count));
    for (const [id] of first) this.#waiting.delete(id);
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }
}

function* take<T>(items: Iterable<T>, most: number): Generator<T> {
  let left = most;
  for (const item of items) {
    if (left-- <= 0) return;
    yield item;
  }
}
