import type { Resolver } from "../../dns/resolver.ts";
import { queryName } from "../../dns/name.ts";
import { type AskHttps, fetchStsPolicy, type NotFetched } from "./fetch_policy.ts";
import type { StsCache } from "./sts_cache.ts";
import { endOfPolicy, policyInForce, type StsEntry } from "./sts_entry.ts";
import type { StsPolicy } from "./sts_policy.ts";
import { stsRecordId } from "./sts_record.ts";

/** What holds for mail to a domain now. */
export type StsAnswer =
  /** The domain has no MTA-STS, or has taken it back. */
  | { readonly is: "none" }
  | { readonly is: "policy"; readonly policy: StsPolicy }
  /** It has, but its policy cannot be had, and none is known: mail goes as if there were none (RFC 8461 §3.3). */
  | ({ readonly is: "failed" } & NotFetched);

/** What policies are found with. */
export interface StsWorld {
  readonly resolver: Pick<Resolver, "txt">;
  readonly ask: AskHttps;
  readonly cache: StsCache;
  /** Whole seconds since 1970. */
  readonly now: () => number;
  /** Hears of fetches: a new policy, or why there is none. */
  readonly note: (text: string) => void;
}

/** Seconds after a failed fetch before the next one (RFC 8461 §3.3). */
const RETRY_AFTER = 300;
/** Seconds after which a policy that is still in force is fetched anew (RFC 8461 §10.2). */
const REFRESH_AFTER = 86_400;
/** A policy that nobody has needed for so long is not kept fresh. */
const FORGOTTEN_AFTER = 31 * 86_400;
/** Policies that are fetched at a time; a delivery that would need one more goes on with what is known. */
const MOST_FETCHES = 50;
/** Policies that are kept fresh in one round. */
const ROUND = 100;

const NONE: StsAnswer = { is: "none" };

/** The MTA-STS policies of the domains that mail is sent to (RFC 8461). */
export class StsPolicies {
  readonly #world: StsWorld;
  readonly #fetching = new Map<string, Promise<StsEntry>>();

  constructor(world: StsWorld) {
    this.#world = world;
  }

  /** What holds for a domain. Asks DNS each time, HTTPS only for a policy that is new, and never forgets one that is in force. */
  async find(name: string): Promise<StsAnswer> {
    const domain = queryName(name);
    if (domain === undefined) return NONE;
    const { cache, now, resolver } = this.#world;
    const answer = await resolver.txt(`_mta-sts.${domain}`);
    const known = cache.get(domain);
    const id = answer.is === "records" ? stsRecordId(answer.records.map(({ text }) => text)) : undefined;
    if (id === undefined || !this.#mustFetch(known, id)) return this.#used(domain, known, id);
    if (known?.id === id && policyInForce(known, now()) !== undefined) {
      void this.#fetch(domain, id, known);
      return this.#used(domain, known, id);
    }
    return this.#used(domain, await this.#fetch(domain, id, known), id);
  }

  /** Fetches anew what is about to end and was of use lately, so that nobody who blocks DNS or HTTPS for a day ends it. */
  async refresh(): Promise<void> {
    const { cache, now } = this.#world;
    for (const domain of cache.endingBetween(now(), now() + 2 * REFRESH_AFTER, ROUND)) {
      const known = cache.get(domain);
      if (known === undefined || now() - known.used > FORGOTTEN_AFTER) continue;
      if (this.#mustFetch(known, known.id)) await this.#fetch(domain, known.id, known);
    }
  }

  #mustFetch(known: StsEntry | undefined, id: string): boolean {
    const now = this.#world.now();
    const { failed } = known ?? {};
    if (failed?.id === id && now - failed.at < RETRY_AFTER && now >= failed.at) return false;
    if (known === undefined || known.id !== id) return true;
    if (known.policy?.mode === "none") return now >= endOfPolicy(known);
    return policyInForce(known, now) === undefined || now - known.fetched >= refreshAfter(known);
  }

  #used(domain: string, entry: StsEntry | undefined, id: string | undefined): StsAnswer {
    const now = this.#world.now();
    const policy = policyInForce(entry, now) ?? freshlyFetched(entry, now);
    if (entry === undefined || policy === undefined) {
      const failed = entry?.failed;
      return failed !== undefined && failed.id === id
        ? { is: "failed", failure: failed.failure, why: failed.why }
        : NONE;
    }
    if (policy.mode === "none") return NONE;
    if (now - entry.used > REFRESH_AFTER) this.#world.cache.put(domain, { ...entry, used: now });
    return { is: "policy", policy };
  }

  async #fetch(domain: string, id: string, known: StsEntry | undefined): Promise<StsEntry> {
    const going = this.#fetching.get(domain);
    if (going !== undefined) return await going;
    if (this.#fetching.size >= MOST_FETCHES) return known ?? { id: "", fetched: 0, used: 0 };
    const fetch = this.#fetched(domain, id, known).finally(() => this.#fetching.delete(domain));
    this.#fetching.set(domain, fetch);
    return await fetch;
  }

  async #fetched(domain: string, id: string, known: StsEntry | undefined): Promise<StsEntry> {
    const { ask, cache, note, now } = this.#world;
    const found = await fetchStsPolicy(domain, ask);
    const at = now();
    let entry: StsEntry;
    if ("failure" in found) {
      note(`MTA-STS policy of ${domain} cannot be fetched (${found.failure}): ${found.why}`);
      const failed = { id, at, failure: found.failure, why: found.why.slice(0, 1000) };
      entry = { ...known ?? { id: "", fetched: 0, used: at }, failed };
    } else {
      if (known?.id !== id) note(`MTA-STS policy of ${domain}: ${found.mode}, mx ${found.mx.join(" ")}`);
      entry = { policy: found, id, fetched: at, used: at };
    }
    cache.put(domain, entry);
    return entry;
  }
}

/** With max_age 0 a policy holds for the delivery that fetched it. */
function freshlyFetched(entry: StsEntry | undefined, now: number): StsPolicy | undefined {
  return entry !== undefined && entry.fetched === now ? entry.policy : undefined;
}

/** Daily, and well before the end of one that holds for less. */
function refreshAfter({ policy }: StsEntry): number {
  return Math.min(REFRESH_AFTER, Math.floor((policy?.maxAge ?? 0) / 2));
}
