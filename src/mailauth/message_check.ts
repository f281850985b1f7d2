import { splitAddress } from "../address/address.ts";
import type { Clock } from "../base/clock.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { ArcResult } from "./arc/arc_result.ts";
import { ContentSplitter } from "./content_splitter.ts";
import { type ContentResult, ContentVerifier } from "./content_verifier.ts";
import type { DkimResult } from "./dkim/dkim_result.ts";
import { authorDomains } from "./dmarc/author_domains.ts";
import type { DmarcResult } from "./dmarc/dmarc_result.ts";
import { evaluateDmarc } from "./dmarc/evaluate_dmarc.ts";
import type { SpfResult } from "./spf/spf_result.ts";

/** What a check asks of the world. */
export interface CheckWorld {
  readonly resolver: Pick<Resolver, "query" | "txt">;
  readonly clock: Clock;
}

/** What was found out about a message. */
export interface MessageResult {
  readonly spf: SpfResult;
  readonly dkim: readonly DkimResult[];
  readonly arc: ArcResult;
  readonly dmarc: DmarcResult;
  /** Its header as it came. */
  readonly fields: readonly string[];
}

/** How long DNS may be waited for once all of a message is here, in milliseconds. */
const PATIENCE = 20_000;

/** Checks a message of a stranger as it comes by: SPF, DKIM, ARC, and DMARC at the end. Holds its header and no body. */
export class MessageCheck {
  readonly #world: CheckWorld;
  readonly #spf: (signal: AbortSignal) => Promise<SpfResult>;
  readonly #ending = new AbortController();
  readonly #verifier: ContentVerifier;
  readonly #splitter: ContentSplitter;
  #fields: readonly string[] = [];

  /** `spf` is asked when the message has come, if it has not been asked before. */
  constructor(spf: (signal: AbortSignal) => Promise<SpfResult>, world: CheckWorld) {
    this.#world = world;
    this.#spf = spf;
    const { resolver, clock } = world;
    const verifier = new ContentVerifier({ resolver, now: () => clock.now(), signal: this.#ending.signal });
    this.#verifier = verifier;
    this.#splitter = new ContentSplitter({
      header: (fields) => {
        this.#fields = fields;
        verifier.header(fields);
      },
      body: (bytes) => verifier.body(bytes),
    });
  }

  /** The next bytes, in wire form, as the client sent them. */
  push(bytes: Uint8Array): void {
    this.#splitter.push(bytes);
  }

  /** All has come. What DNS does not answer in time is temperror. */
  async end(): Promise<MessageResult> {
    const cancel = this.#world.clock.after(PATIENCE, () => this.#ending.abort());
    try {
      this.#splitter.end();
      const [content, spf] = await Promise.all([this.#verifier.end(), this.#spf(this.#ending.signal)]);
      const { dkim, arc } = content;
      return { spf, dkim, arc, dmarc: await this.#dmarc(content, spf), fields: this.#fields };
    } finally {
      cancel();
    }
  }

  async #dmarc({ dkim }: ContentResult, spf: SpfResult): Promise<DmarcResult> {
    const fromDomains = authorDomains(this.#fields);
    if (this.#splitter.isCut) {
      const why = "the header is too large to be looked at";
      const [domain = ""] = fromDomains;
      return {
        is: "permerror",
        policy: "none",
        domain,
        author: "many",
        spfAligned: false,
        dkimAligned: false,
        why,
      };
    }
    const { resolver } = this.#world;
    return await evaluateDmarc({ fromDomains, spf, dkim }, { resolver, signal: this.#ending.signal });
  }

  /** Nobody waits for the results any more. */
  abort(): void {
    this.#ending.abort();
  }
}

/** The domain of MAIL FROM; "" for the null sender. */
export function senderDomain(sender: string): string {
  return splitAddress(sender).domain.toLowerCase();
}
