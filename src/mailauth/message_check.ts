import { splitAddress } from "../address/address.ts";
import type { Clock } from "../base/clock.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { ArcResult } from "./arc/arc_result.ts";
import { ContentSplitter } from "./content_splitter.ts";
import { type ContentResult, ContentVerifier } from "./content_verifier.ts";
import type { DkimResult } from "./dkim/dkim_result.ts";
import { authorDomains, authorsHidden } from "./dmarc/author_domains.ts";
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
  #authors: readonly string[] = [];
  /** Asked for while the body comes. */
  #sender: Promise<SpfResult> | undefined;

  /** `spf` is asked when the header is here. */
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
        this.#askAhead();
      },
      body: (bytes) => verifier.body(bytes),
    });
  }

  /** While the body comes DNS is asked for what is needed behind it: a resolver keeps its answers. */
  #askAhead(): void {
    const { signal } = this.#ending;
    this.#authors = authorDomains(this.#fields);
    const [author] = this.#authors;
    if (author !== undefined) void this.#world.resolver.query(`_dmarc.${author}`, "TXT", signal);
    this.#sender = this.#spf(signal);
    // What goes wrong is heard at the end, if anybody waits for that.
    this.#sender.catch(() => {});
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
      const [content, spf] = await Promise.all([
        this.#verifier.end(),
        this.#sender ?? this.#spf(this.#ending.signal),
      ]);
      const { dkim, arc } = content;
      return { spf, dkim, arc, dmarc: await this.#dmarc(content, spf), fields: this.#fields };
    } finally {
      cancel();
    }
  }

  async #dmarc({ dkim }: ContentResult, spf: SpfResult): Promise<DmarcResult> {
    const fromDomains = this.#authors;
    const why = this.#splitter.isCut
      ? "the header is too large to be looked at"
      : authorsHidden(this.#fields);
    if (why !== undefined) {
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
    // To what nobody has signed anybody can have added something (RFC 6376 §8.2).
    const whole = dkim.filter(({ unsignedBytes = 0 }) => unsignedBytes === 0);
    return await evaluateDmarc({ fromDomains, spf, dkim: whole }, { resolver, signal: this.#ending.signal });
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
