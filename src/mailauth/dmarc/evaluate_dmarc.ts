import type { DkimWord, SpfWord } from "../auth_result.ts";
import { type DmarcPolicy, type DmarcRecord, effectivePolicy } from "./dmarc_record.ts";
import type { DmarcResult } from "./dmarc_result.ts";
import { type DmarcWorld, organizationalDomain, type Published, RecordAsker } from "./tree_walk.ts";

/** What is known of a message. Domains in lower case, A-labels. */
export interface DmarcQuery {
  /** Of From:, each once (`authorDomains`). */
  readonly fromDomains: readonly string[];
  /** Of MAIL FROM, which is HELO's for the null sender (RFC 7208 §2.4); never of HELO where there is a sender (RFC 9989 §4.4.2). */
  readonly spf?: { readonly is: SpfWord; readonly domain: string };
  /** Signatures: `d=`. */
  readonly dkim: readonly { readonly is: DkimWord; readonly domain: string }[];
}

/** Domains of From: that are asked about; more are a way to hide one among them (RFC 9989 §11.5). */
const AUTHORS = 4;

const NO_RESULT = { policy: "none", spfAligned: false, dkimAligned: false } as const;

/** Whether a message is from whom it says, and what is to become of it if not (RFC 9989 §5.3). */
export async function evaluateDmarc(query: DmarcQuery, world: DmarcWorld): Promise<DmarcResult> {
  const { fromDomains } = query;
  const [domain = ""] = fromDomains;
  if (domain === "") {
    return { ...NO_RESULT, is: "permerror", domain, author: "none", why: "no domain in From:" };
  }
  if (fromDomains.length > AUTHORS) {
    return { ...NO_RESULT, is: "permerror", domain, author: "many", why: "too many domains in From:" };
  }
  const asker = new RecordAsker(world);
  const results: DmarcResult[] = [];
  for (const author of fromDomains) results.push(await new Evaluation(author, query, asker, world).result());
  return results.reduce((worst, result) => gravity(result) > gravity(worst) ? result : worst);
}

/** Of several authors the one counts that is worst for the message (RFC 9989 §11.5). */
function gravity({ is, policy }: DmarcResult): number {
  const failing = { reject: 6, quarantine: 5, none: 2 };
  return { fail: failing[policy], temperror: 4, permerror: 3, none: 1, pass: 0 }[is];
}

/** The policy of an author's domain, and the organizational domain, where that is known already. */
interface Found extends Published {
  readonly organizational?: string;
}

type Trouble = Pick<DmarcResult, "is" | "why">;

/** One author's domain. */
class Evaluation {
  readonly #author: string;
  readonly #query: DmarcQuery;
  readonly #asker: RecordAsker;
  readonly #world: DmarcWorld;

  constructor(author: string, query: DmarcQuery, asker: RecordAsker, world: DmarcWorld) {
    this.#author = author;
    this.#query = query;
    this.#asker = asker;
    this.#world = world;
  }

  async result(): Promise<DmarcResult> {
    const domain = this.#author;
    const found = await this.#discover();
    if (found === undefined) return { ...NO_RESULT, is: "none", domain };
    if ("is" in found) return { ...NO_RESULT, domain, ...found };
    const { record, domain: policyDomain } = found;
    const aligned = await this.#align(found);
    const common = { domain, record, policyDomain, ...aligned.facts };
    if (aligned.facts.spfAligned || aligned.facts.dkimAligned) {
      return { ...NO_RESULT, ...common, is: "pass" };
    }
    const applies = await this.#policy(found);
    if ("is" in applies) return { ...NO_RESULT, ...common, ...applies };
    const { trouble } = aligned;
    return trouble === undefined
      ? { ...common, ...applies, is: "fail" }
      : { ...common, ...applies, ...trouble };
  }

  /** The record that counts (RFC 9989 §4.10.1). */
  async #discover(): Promise<Found | Trouble | undefined> {
    const own = await this.#asker.ask(this.#author);
    if (own.is === "found") return own.published;
    if (own.is === "fault") return { is: "permerror", why: own.why };
    if (own.is !== "absent") return own;
    const walked = await this.#asker.walk(this.#author);
    if (walked.is !== "walked") return walked;
    const organizational = organizationalDomain(this.#author, walked.found);
    const record = walked.found.find(({ domain }) => domain === organizational) ?? walked.found.at(-1);
    return record === undefined ? undefined : { ...record, organizational };
  }

  /** Whether SPF and DKIM speak for the author (RFC 9989 §4.10.2); else what stands in the way of telling. */
  async #align(found: Found) {
    const { spf, dkim } = this.#query;
    const { record } = found;
    const spfs = spf === undefined ? [] : [spf];
    const ask = new Alignment(this.#author, found, this.#asker);
    const [bySpf, byDkim] = [await ask.any(spfs, record.aspf), await ask.any(dkim, record.adkim)];
    const facts = {
      spfAligned: bySpf === true,
      dkimAligned: byDkim === true,
      ...(ask.organizational !== undefined && { organizational: ask.organizational }),
    };
    return {
      facts,
      trouble: typeof bySpf === "object" ? bySpf : typeof byDkim === "object" ? byDkim : undefined,
    };
  }

  /** Which policy of the record is the author's. */
  async #policy(
    { domain, record }: Published,
  ): Promise<{ readonly policy: DmarcPolicy; readonly source: "p" | "sp" | "np" } | Trouble> {
    const source = domain === this.#author ? "p" : await this.#kindOfSubdomain(record);
    return typeof source === "object" ? source : { policy: effectivePolicy(record, record[source]), source };
  }

  /** A name exists unless DNS says that it does not (RFC 9989 §3.2.13, RFC 8020). */
  async #kindOfSubdomain({ sp, np }: DmarcRecord): Promise<"sp" | "np" | Trouble> {
    if (sp === np) return "sp";
    const answer = await this.#world.resolver.query(this.#author, "A", this.#world.signal);
    if (answer.is === "trouble") {
      return { is: answer.retry ? "temperror" : "permerror", why: `${this.#author}: ${answer.why}` };
    }
    return answer.is === "nxdomain" ? "np" : "sp";
  }
}

interface Identifier {
  readonly is: SpfWord | DkimWord;
  readonly domain: string;
}

/** Compares what was authenticated with the author's domain. */
class Alignment {
  readonly #author: string;
  readonly #asker: RecordAsker;
  /** The author's, once it is known. */
  organizational: string | undefined;

  constructor(author: string, found: Found, asker: RecordAsker) {
    this.#author = author;
    this.#asker = asker;
    this.organizational = found.organizational;
  }

  /** Whether one that passed is aligned; trouble where one might have been, had all been looked up. */
  async any(identifiers: readonly Identifier[], mode: "r" | "s"): Promise<boolean | Trouble> {
    const passed = new Set(identifiers.filter(({ is }) => is === "pass").map(({ domain }) => domain));
    if (passed.has(this.#author)) return true;
    let trouble: Trouble | undefined;
    for (const domain of mode === "s" ? [] : passed) {
      const same = await this.#isSame(domain);
      if (same === true) return true;
      if (same !== false) trouble ??= same;
    }
    if (trouble !== undefined) return trouble;
    for (const { is, domain } of identifiers) {
      if (is !== "temperror") continue;
      const same = domain === this.#author || (mode === "r" && await this.#isSame(domain));
      if (same === true) return { is: "temperror", why: `${domain} could not be asked` };
      if (same !== false) return same;
    }
    return false;
  }

  /** Whether two domains have the same organizational domain. Whoever is not below the author's is not asked. */
  async #isSame(domain: string): Promise<boolean | Trouble> {
    if (this.organizational === undefined) {
      const walked = await this.#asker.walk(this.#author);
      if (walked.is !== "walked") return walked;
      this.organizational = organizationalDomain(this.#author, walked.found);
    }
    const ours = this.organizational;
    if (domain !== ours && !domain.endsWith(`.${ours}`)) return false;
    const walked = await this.#asker.walk(domain);
    return walked.is === "walked" ? organizationalDomain(domain, walked.found) === ours : walked;
  }
}
