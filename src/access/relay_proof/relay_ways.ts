import { isPromise } from "../../base/maybe_async.ts";
import type { ProofInput } from "./proof_input.ts";
import { type Certainty, type Opening, openingsOf } from "./relay_openings.ts";
import { attempts } from "./relay_session.ts";
import type { Query, RelayEffect, RestrictionList, Stated, Step, Want } from "../restriction.ts";

/** A way through a restriction list without a refusal. */
export interface Way {
  readonly certainty: Certainty;
  /** Sessions that should take it. */
  readonly wants: readonly Want[];
  /** Restriction and entry. */
  readonly through: string;
  /** What closes it. */
  readonly fix: string;
  /** Not every session takes it. */
  readonly demands: boolean;
  /** The DNS of others decides: no session can be tried. */
  readonly untried?: true;
}

/** What a list is in for. */
export interface ListNature {
  readonly knowsRecipient: boolean;
  /** The check that it belongs to ends by turning a permit into the refusal that defer_if_permit asked for. */
  readonly defers: boolean;
  /** A permit from an `@domain` key counts. */
  readonly atDomainCounts: boolean;
}

/** How a list ends: by a permit on one of the ways, or without a word. */
interface Traversal {
  readonly ways: readonly Way[];
  readonly falls: boolean;
}

/** Restrictions looked at: classes may name each other. */
const MOST_STEPS = 20_000;
/** Sessions kept for a way that leads through several entries. */
const MOST_WANTS = 6;

const AT_THE_END = (list: string) => `put reject_unauth_destination at the end of ${list}`;
const BEFORE = (what: string, list: string) => `put reject_unauth_destination before ${what} in ${list}`;

/**
 * All ways through a list for a stranger who writes to a foreign recipient. More ways than there are may be found, never
 * fewer: each restriction counts with the most that its row says it can do, whatever came before.
 */
export function waysThrough(list: RestrictionList, nature: ListNature, input: ProofInput): Way[] {
  const walk = new AbstractWalk(list.name, nature, input);
  const { ways, falls } = walk.list(list, false);
  if (!falls) return [...ways];
  const through = list.steps.length === 0 ? "it is empty" : "no restriction in it refuses him";
  return [...ways, { certainty: "open", wants: [{}], demands: false, through, fix: AT_THE_END(list.name) }];
}

class AbstractWalk {
  readonly #top: string;
  readonly #nature: ListNature;
  readonly #input: ProofInput;
  readonly #inside: RestrictionList[] = [];
  #steps = 0;

  constructor(top: string, nature: ListNature, input: ProofInput) {
    this.#top = top;
    this.#nature = nature;
    this.#input = { ...input, atDomainCounts: nature.atDomainCounts };
  }

  /** Inside itself a list comes to the same place again: nothing new, and 451 in the end. */
  list(list: RestrictionList, warn: boolean): Traversal {
    if (this.#inside.includes(list)) return { ways: [], falls: false };
    this.#inside.push(list);
    const ways: Way[] = [];
    let falls = true;
    for (const step of list.steps) {
      const found = this.#step(step, warn || step.warn);
      ways.push(...found.ways);
      falls = found.falls;
      if (!falls) break;
    }
    this.#inside.pop();
    return { ways, falls };
  }

  #step(step: Step, warn: boolean): Traversal {
    if (++this.#steps > MOST_STEPS) {
      return { ways: [this.#way("unknown", step, "too many restrictions")], falls: true };
    }
    const { relayEffect } = step;
    const { wideClient, wideRecipient } = this.#input;
    switch (relayEffect.is) {
      case "never":
        return { ways: [], falls: true };
      case "closes":
        return this.#closing(relayEffect, step, warn);
      case "permits":
        return { ways: [this.#open(step, {}, BEFORE(`"${step.name}"`, this.#top))], falls: false };
      case "networks":
        return this.#openIf(step, wideClient === undefined ? undefined : { client: wideClient }, NETWORKS);
      case "destination":
        return this.#openIf(
          step,
          wideRecipient === undefined ? undefined : { recipient: wideRecipient },
          DOMAINS,
        );
      case "asks":
        return this.#asked(relayEffect, step, warn);
      case "session":
        return { ways: [this.#session(relayEffect, step)], falls: true };
      case "tried":
        return this.#permitsNow(step, relayEffect.want)
          ? { ways: [this.#session(relayEffect, step)], falls: true }
          : { ways: [], falls: true };
      case "unknown":
        return { ways: [{ ...this.#way("unknown", step, ""), through: relayEffect.why }], falls: true };
      case "list":
        return this.list(relayEffect.list(), warn);
    }
  }

  #closing(relayEffect: RelayEffect & { readonly is: "closes" }, step: Step, warn: boolean): Traversal {
    if (relayEffect.by === "deferral") return { ways: [], falls: warn || !this.#nature.defers };
    if (relayEffect.by === undefined) return { ways: [], falls: warn };
    const { wideRecipient } = this.#input;
    const ways = wideRecipient === undefined ? [] : [this.#open(step, { recipient: wideRecipient }, DOMAINS)];
    if (relayEffect.unless !== undefined) {
      ways.push(this.#session({ want: {}, text: relayEffect.unless, stated: "surely" }, step));
    }
    return { ways, falls: warn || !this.#nature.knowsRecipient };
  }

  #asked({ spec, about }: RelayEffect & { readonly is: "asks" }, step: Step, warn: boolean): Traversal {
    const openings = openingsOf(spec, about, this.#input);
    return { ways: openings.flatMap((opening) => this.#entry(opening, step, warn)), falls: true };
  }

  #entry(opening: Opening, step: Step, warn: boolean): Way[] {
    const { certainty, wants, text, list } = opening;
    const own: Way = {
      certainty,
      wants,
      demands: true,
      through: `${step.name}: ${text}`,
      fix: BEFORE(`"${step.name}"`, this.#top),
    };
    if (list === undefined) return [own];
    return this.list(list, warn).ways.map((inner) => ({
      ...together(own, inner),
      through: `${own.through}: ${inner.through}`,
    }));
  }

  #session(
    { want, text, stated }: { readonly want: Want; readonly text: string; readonly stated?: Stated },
    step: Step,
  ): Way {
    const way = this.#open(step, want, BEFORE(`"${step.name}"`, this.#top));
    if (stated === undefined) return { ...way, through: text };
    return { ...way, through: text, certainty: stated, demands: true, untried: true };
  }

  #permitsNow(step: Step, want: Want): boolean {
    const { facts } = attempts(this.#input.outsider, want, this.#input.foreign)[0]!;
    const about = { name: facts.recipient, class: "Recipient address" } as const;
    const query: Query = {
      facts,
      stage: "RCPT",
      about,
      resolve: () => ({ is: "trouble", why: "" }),
      spf: () => undefined,
    };
    const verdict = step.evaluate(query);
    return !isPromise(verdict) && verdict.is === "permit";
  }

  #openIf(step: Step, want: Want | undefined, fix: string): Traversal {
    return { ways: want === undefined ? [] : [this.#open(step, want, fix)], falls: true };
  }

  #open(step: Step, want: Want, fix: string): Way {
    const demands = Object.keys(want).length > 0;
    return { certainty: "open", wants: [want], demands, through: step.name, fix };
  }

  #way(certainty: Certainty, step: Step, why: string): Way {
    return {
      certainty,
      wants: [],
      demands: true,
      through: `${step.name}: ${why}`,
      fix: BEFORE(`"${step.name}"`, this.#top),
    };
  }
}

const NETWORKS =
  "name your own networks in mynetworks, not the whole internet, nor what a name of anybody's matches";
const DOMAINS = "name the domains that you relay for in relay_domains";

/** The stronger the condition, the higher: a way through two lists is as sure as the surer of them. */
export const RANK: Readonly<Record<Certainty, number>> = { open: 0, loosely: 1, unknown: 2, surely: 3 };

/** Both ways in one session, if there is one that takes both: where their wishes differ, each is tried. */
export function together(first: Way, second: Way): Way {
  const certainty = RANK[first.certainty] >= RANK[second.certainty] ? first.certainty : second.certainty;
  const wants = first.wants.flatMap((one) =>
    second.wants.flatMap((other) =>
      clash(one, other) ? [over(one, other), over(other, one)] : [over(one, other)]
    )
  );
  return {
    certainty,
    wants: wants.slice(0, MOST_WANTS),
    through: `${first.through}; ${second.through}`,
    fix: first.fix,
    demands: first.demands || second.demands,
    ...((first.untried ?? second.untried) && { untried: true }),
  };
}

function clash(one: Want, other: Want): boolean {
  const differ = (a: string | undefined, b: string | undefined) =>
    a !== undefined && b !== undefined && a !== b;
  return (["sender", "recipient", "helo"] as const).some((name) => differ(one[name], other[name])) ||
    (["address", "name"] as const).some((name) => differ(one.client?.[name], other.client?.[name]));
}

/** One session's wishes over another's. */
function over(below: Want, above: Want): Want {
  const client = { ...below.client, ...above.client };
  return { ...below, ...above, ...(Object.keys(client).length > 0 && { client }) };
}
