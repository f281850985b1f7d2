import type { Resolver } from "../../dns/resolver.ts";
import { type DmarcRecord, parseDmarcRecord } from "./dmarc_record.ts";

/** What DMARC asks of the world. */
export interface DmarcWorld {
  readonly resolver: Pick<Resolver, "query">;
  readonly signal?: AbortSignal;
}

/** A record and the domain it stands at. */
export interface Published {
  readonly domain: string;
  readonly record: DmarcRecord;
}

/** What could not be found out. */
export interface WalkTrouble {
  readonly is: "temperror" | "permerror";
  readonly why: string;
}

/** The answer for one domain; `fault`: a record that nobody can follow. */
export type Asked =
  | { readonly is: "found"; readonly published: Published }
  | { readonly is: "absent" }
  | { readonly is: "fault"; readonly why: string }
  | WalkTrouble;

/** Records on the way up from a domain, from the longest name. */
export type Walked = { readonly is: "walked"; readonly found: readonly Published[] } | WalkTrouble;

/** Most questions for one domain. */
const QUESTIONS = 8;

/** The domains that are asked on the way up, the domain itself first: at most 8 (RFC 9989 §4.10). */
export function walkOf(domain: string): readonly string[] {
  const labels = domain.split(".");
  const parents = labels.slice(Math.max(1, labels.length - QUESTIONS + 1));
  return [domain, ...parents.map((_, at) => parents.slice(at).join("."))];
}

/** Asks for the DMARC records of domains, once for each. */
export class RecordAsker {
  readonly #world: DmarcWorld;
  readonly #asked = new Map<string, Promise<Asked>>();

  constructor(world: DmarcWorld) {
    this.#world = world;
  }

  /** The record of one domain. Several at a place are none (RFC 9989 §4.10 step 2). */
  ask(domain: string): Promise<Asked> {
    const known = this.#asked.get(domain);
    if (known !== undefined) return known;
    const asked = this.#ask(domain);
    this.#asked.set(domain, asked);
    return asked;
  }

  async #ask(domain: string): Promise<Asked> {
    const { resolver, signal } = this.#world;
    const name = `_dmarc.${domain}`;
    const answer = await resolver.query(name, "TXT", signal);
    if (answer.is === "trouble") {
      return { is: answer.retry ? "temperror" : "permerror", why: `${name}: ${answer.why}` };
    }
    if (answer.is !== "records") return { is: "absent" };
    const read = answer.records.map(({ text }) => parseDmarcRecord(text)).filter(({ is }) => is !== "other");
    const [only] = read;
    if (only === undefined || read.length > 1 || only.is === "other") return { is: "absent" };
    if (only.is === "fault") return { is: "fault", why: `${name}: ${only.why}` };
    return { is: "found", published: { domain, record: only.record } };
  }

  /** Goes up from a domain until a record says whether it is a public suffix (RFC 9989 §4.10). */
  async walk(domain: string): Promise<Walked> {
    const found: Published[] = [];
    for (const at of walkOf(domain)) {
      const asked = await this.ask(at);
      if (asked.is === "temperror" || asked.is === "permerror") return asked;
      if (asked.is !== "found") continue;
      found.push(asked.published);
      if (asked.published.record.psd !== "u") break;
    }
    return { is: "walked", found };
  }
}

/**
 * The organizational domain that a walk shows (RFC 9989 §4.10.2). A name of one label is a public suffix unless it says that it is none:
 * a registry that forgets to say so makes nobody's domain another's.
 */
export function organizationalDomain(domain: string, found: readonly Published[]): string {
  const top = found.at(-1);
  if (top === undefined) return domain;
  if (top.record.psd === "n") return top.domain;
  const isSuffix = top.record.psd === "y" || !top.domain.includes(".");
  if (!isSuffix) return top.domain;
  if (top.domain === domain) return domain;
  const labels = domain.split(".");
  const below = labels.slice(-(top.domain.split(".").length + 1));
  return below.join(".");
}
