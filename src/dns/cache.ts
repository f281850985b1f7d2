import { RecentMap } from "../base/recent_map.ts";
import type { DnsAnswer } from "./answer.ts";

const WEEK = 604_800;
/** RFC 2308 §5 allows three hours; a mail server wants to hear of a new domain sooner. */
const LONGEST_NEGATIVE = 900;
/** A failure is kept as short as allowed, so that a burst of mail does not become a burst of queries (RFC 9520 §3.2). */
const FAILURE = 1;

/** How long an answer may be kept, in seconds. */
export function lifetimeOf(answer: DnsAnswer, negativeTtl: number | undefined): number {
  switch (answer.is) {
    case "records":
      return Math.min(WEEK, ...answer.records.map((record) => record.ttl));
    case "trouble":
      return FAILURE;
    default:
      return Math.min(negativeTtl ?? 0, LONGEST_NEGATIVE);
  }
}

interface Entry {
  readonly answer: DnsAnswer;
  readonly expires: number;
}

/** Answers with an expiry, at most `limit`, of which half are kept at least: those used last. */
export class DnsCache {
  readonly #entries: RecentMap<string, Entry>;

  constructor(limit: number) {
    this.#entries = new RecentMap(Math.floor(limit / 2));
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The answer kept for a key, unless its time is over. `now` in milliseconds. */
  get(key: string, now: number): DnsAnswer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expires <= now) {
      this.#entries.delete(key);
      return undefined;
    }
    this.#entries.set(key, entry);
    return entry.answer;
  }

  /** Keeps an answer for `seconds`; zero keeps nothing. */
  set(key: string, answer: DnsAnswer, seconds: number, now: number): void {
    if (seconds > 0) this.#entries.set(key, { answer, expires: now + seconds * 1000 });
  }
}
