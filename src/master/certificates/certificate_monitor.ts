import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { createTlsContext } from "../../platform/socket/tls_context.ts";
import { type CertificateUse, serviceNames } from "../../tls/own/certificate_uses.ts";
import { type Chain, materialOf, pemOf } from "../../tls/own/chain.ts";
import { pathsOf } from "../../tls/own/chain_parameters.ts";
import {
  certificatesOf,
  durationText,
  expiryOf,
  NOTICE,
  validityProblems,
} from "../../tls/own/chain_problems.ts";
import { type Attempt, OwnCertificates } from "../../tls/own/own_certificates.ts";
import { lastGoodName, type TlsFiles } from "../../tls/tls_files.ts";

/** How often the files are looked at, in milliseconds. */
const LOOK = 2000;
/** How often the same end is warned of. */
const DAY = 86_400_000;

/** What the monitor needs of master. */
export interface CertificateMonitorHost {
  readonly files: TlsFiles;
  readonly metrics: Metrics;
  readonly log: () => Log;
  after(milliseconds: number, call: () => void): () => void;
  /** Hears that files are bad, and what was in them before: for workers that are started meanwhile. */
  kept(lastGood: Readonly<Record<string, string>>): void;
}

interface Watched {
  readonly use: CertificateUse;
  readonly own: OwnCertificates;
}

/**
 * What master knows of the certificates that the workers show: it reads the same files by the same rules, so that what changes, breaks
 * or runs out is told once and not by every worker.
 */
export class CertificateMonitor {
  readonly #host: CertificateMonitorHost;
  readonly #expiry;
  #watched: readonly Watched[] = [];
  readonly #ends = new WeakMap<Chain, number>();
  /** When an end was warned of last, by file and end. */
  #warned = new Map<string, number>();
  #cancel = () => {};

  constructor(host: CertificateMonitorHost) {
    this.#host = host;
    this.#expiry = host.metrics.gauge(
      "mta_tls_certificate_expiry_timestamp_seconds",
      "When the first certificate of a chain expires, in seconds since 1970",
      "file",
      "service",
    );
  }

  /** Watches these from now on, and no others. */
  follow(uses: readonly CertificateUse[]): void {
    this.stop();
    const before = new Map(this.#watched.map((each) => [keyOf(each.use), each]));
    // What was good before a reload is so after it.
    this.#watched = uses.map((use) => ({ use, own: (before.get(keyOf(use)) ?? this.#watch(use)).own }));
    this.#warned = new Map();
    if (uses.length > 0) this.#look();
    else this.#expiry.clear();
  }

  stop(): void {
    this.#cancel();
  }

  /** What whoever looks after the service should know, a line each. */
  notes(): string[] {
    const now = this.#host.files.now();
    return this.#watched.flatMap(({ use, own }) => {
      const services = serviceNames(use.services).join(", ");
      const trouble = own.trouble === undefined ? [] : [
        `TLS of ${services}: ${own.trouble.fix}; ${
          own.chains.size > 0 ? "the certificate of before is served" : "there is no TLS"
        }`,
      ];
      const ends = [...own.chains.values()].flatMap((chain) => endings(chain, now));
      return [...trouble, ...ends.map((text) => `TLS of ${services}: ${text}`)];
    });
  }

  /** What was in files that are bad now, as it is lent. */
  lastGood(): Record<string, string> {
    const kept = this.#watched.filter(({ own }) => own.trouble !== undefined && own.chains.size > 0);
    return Object.fromEntries(
      kept.map((
        { use, own },
      ) => [lastGoodName(pathsOf(use.files).map(({ path }) => path)), pemOf(own.chains)]),
    );
  }

  #watch(use: CertificateUse): Watched {
    let isFirst = true;
    const own = new OwnCertificates({
      files: use.files,
      world: this.#host.files,
      makeContext: (chains) => createTlsContext({ ca: "", ...materialOf(chains) }),
      // The start and the reload tell of the files as they are then.
      heard: (attempt) => isFirst ? void (isFirst = false) : this.#tell(attempt, use),
    });
    return { use, own };
  }

  #tell(attempt: Attempt, use: CertificateUse): void {
    const log = this.#host.log();
    const services = serviceNames(use.services).join(", ");
    if (attempt.is === "loaded") {
      for (const chain of attempt.chains.values()) {
        const left = durationText(expiryOf(chain) - this.#host.files.now());
        log.note(
          "master",
          "info",
          `${chain.certificateSource}: new certificate for ${services}, good for ${left}`,
        );
      }
      return;
    }
    if (attempt.is === "kept") this.#host.kept(this.lastGood());
    const then = attempt.is === "kept" ? "new connections get the certificate of before" : "there is no TLS";
    log.note("master", "warning", `TLS of ${services}: ${attempt.fault.fix}; ${then}`);
  }

  #look(): void {
    this.#expiry.clear();
    for (const { use, own } of this.#watched) {
      own.current();
      for (const chain of own.chains.values()) this.#count(chain, use);
    }
    this.#cancel = this.#host.after(LOOK, () => this.#look());
  }

  #endOf(chain: Chain): number {
    const end = this.#ends.get(chain) ?? expiryOf(chain);
    this.#ends.set(chain, end);
    return end;
  }

  #count(chain: Chain, use: CertificateUse): void {
    const expiry = this.#endOf(chain);
    for (const service of serviceNames(use.services)) {
      this.#expiry.set(Math.floor(expiry / 1000), chain.certificateSource, service);
    }
    const now = this.#host.files.now();
    const said = expiry - now > NOTICE ? [] : endings(chain, now);
    if (said.length === 0) return;
    const key = `${chain.certificateSource} ${expiry}`;
    const last = this.#warned.get(key);
    if (last !== undefined && now - last < DAY) return;
    this.#warned.set(key, now);
    for (const text of said) this.#host.log().note("master", "warning", text);
  }
}

const keyOf = ({ files, name }: CertificateUse) => JSON.stringify([files, name]);

function endings(chain: Chain, now: number): string[] {
  return certificatesOf(chain).flatMap((each) => validityProblems(each, chain.certificateSource, now))
    .map(({ text }) => text);
}
