import { readCertificate } from "../tls/x509/certificate.ts";
import type { Chain } from "../tls/own/chain.ts";
import { ChainReader } from "../tls/own/chain_reader.ts";
import { certificatesOf } from "../tls/own/chain_problems.ts";
import { matchedName } from "../tls/x509/names.ts";
import type { AcmeFiles } from "./acme_files.ts";
import { AcmeFailure } from "./advice.ts";
import { pauseAfter, renewalTime } from "./schedule.ts";

/** How a round went, and when the next one is due, in milliseconds since 1970. */
export type Round =
  /** There is nothing to do. */
  | { readonly is: "kept"; readonly next: number; readonly until: number }
  | { readonly is: "issued"; readonly next: number; readonly until: number }
  | { readonly is: "failed"; readonly next: number; readonly problem: string; readonly attempts: number }
  /** It failed before, and is not due again. */
  | { readonly is: "waiting"; readonly next: number; readonly problem: string }
  /** Another process is at it. */
  | { readonly is: "busy"; readonly next: number };

/** What a keeper works with. */
export interface CertificateKeeperOptions {
  readonly names: readonly string[];
  readonly files: AcmeFiles;
  readonly order: () => Promise<string>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A number from 0 to 1. */
  readonly chance: () => number;
}

/** Another process is looked after so much later, in milliseconds. */
const BUSY = 60_000;
const LONGEST_PROBLEM = 1000;

/** Sees to it that there is a good certificate for the names, a round at a time. */
export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
  }

  /** Orders a certificate where that is due; `asked`: somebody wants a new one now, whatever is due. */
  async round(asked = false): Promise<Round> {
    const { files, now } = this.#options;
    files.prepare();
    const before = this.#standing();
    if (!asked && before !== undefined && now() < before.renewal) return kept(before);
    const waits = asked ? undefined : this.#waiting();
    if (waits !== undefined) return waits;
    const lock = files.lock();
    if (lock === undefined) return { is: "busy", next: now() + BUSY };
    try {
      // Another process may have been quicker.
      const standing = this.#standing();
      if (standing !== undefined && standing.text !== before?.text && now() < standing.renewal) {
        return kept(standing);
      }
      return await this.#renew();
    } finally {
      lock.release();
    }
  }

  async #renew(): Promise<Round> {
    const { files, order } = this.#options;
    try {
      const text = await order();
      const made = this.#standingOf(text);
      if (made === undefined) {
        throw new AcmeFailure(
          "the certificate that the authority has issued is not for these names and this key",
        );
      }
      files.keepCertificate(text);
      files.keepState({ failures: 0 });
      return { is: "issued", next: made.renewal, until: made.until };
    } catch (error) {
      if (!(error instanceof AcmeFailure)) throw error;
      return this.#failed(error);
    }
  }

  #failed({ message, retryAfter = 0, isUnreached }: AcmeFailure): Round {
    const { files, names, now, chance } = this.#options;
    const failures = this.#failures() + 1;
    const next = Math.round(
      now() + Math.max(pauseAfter(failures, chance(), isUnreached ? "unreached" : "refused"), retryAfter),
    );
    const problem = message.slice(0, LONGEST_PROBLEM);
    files.keepState({ failures, notBefore: next, problem, names: names.join(" ") });
    return { is: "failed", next, problem, attempts: failures };
  }

  /** Failures with other names are of no concern. */
  #failures(): number {
    const { files, names } = this.#options;
    const { failures, names: of } = files.state();
    return of === names.join(" ") ? failures : 0;
  }

  #waiting(): Round | undefined {
    const { files, names, now } = this.#options;
    const { notBefore, problem = "", names: of } = files.state();
    if (notBefore === undefined || of !== names.join(" ") || now() >= notBefore) return undefined;
    return { is: "waiting", next: notBefore, problem };
  }

  #standing(): Standing | undefined {
    const text = this.#options.files.certificate();
    return text === undefined ? undefined : this.#standingOf(text);
  }

  /** A certificate with its key, if it is whole and for all the names. */
  #standingOf(text: string): Standing | undefined {
    const chain = chainIn(text);
    const own = chain === undefined ? undefined : readCertificate(Buffer.from(chain.certificate.der));
    if (chain === undefined || own === undefined) return undefined;
    if (this.#options.names.some((name) => matchedName(own, [name]) === undefined)) return undefined;
    const until = Math.min(...certificatesOf(chain).map(({ notAfter }) => notAfter));
    return { text, until, renewal: renewalTime(own) };
  }
}

interface Standing {
  readonly text: string;
  readonly until: number;
  readonly renewal: number;
}

function kept({ renewal, until }: Standing): Round {
  return { is: "kept", next: renewal, until };
}

function chainIn(text: string): Chain | undefined {
  const reader = new ChainReader({
    order: "key first",
    origin: "ACME",
    parameter: "acme_domains",
    consequence: "",
  });
  reader.read("ACME", text);
  const read = reader.end();
  return read.is === "read" ? read.chains[0] : undefined;
}
