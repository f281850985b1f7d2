import type { Configuration } from "../config/service.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Identity } from "../platform/process/spawn.ts";
import type { Child, ChildHandler, ChildOptions } from "../platform/socket/child.ts";
import { ownTlsFiles } from "../tls/tls_files.ts";
import { AcmeProcess } from "./acme/acme_process.ts";
import { CertificateMonitor } from "./certificates/certificate_monitor.ts";
import { servedCertificates } from "./certificates/served_certificates.ts";
import { type LentIdentities, LentWatch } from "./lending/lent_watch.ts";
import type { MasterWorld } from "./master_world.ts";
import { keysFor } from "./preparation.ts";

/** What the care for TLS needs of master. */
export interface TlsCareHost {
  readonly world: MasterWorld;
  readonly metrics: Metrics;
  readonly log: () => Log;
  spawn(options: ChildOptions, handler: ChildHandler): Child;
  /** Lends all workers that serve, or finish what they are at, files of TLS as they are now. */
  lend(keys: Readonly<Record<string, string>>): void;
}

/** What is in force. */
interface InForce {
  readonly configuration: Configuration;
  /** Who the workers are; undefined: the same as master. */
  readonly identity: Identity | undefined;
}

/** What master does for TLS: lends the workers what only root may read, watches what they show, and has certificates ordered. */
export class TlsCare {
  /** The certificate of acme_domains. */
  readonly acme: AcmeProcess;
  readonly #host: TlsCareHost;
  readonly #certificates: CertificateMonitor;
  readonly #keyWatch: LentWatch;
  #inForce: InForce | undefined;

  constructor(host: TlsCareHost) {
    const { world, metrics, log } = host;
    const after = (milliseconds: number, call: () => void) => world.after(milliseconds, call);
    this.#host = host;
    this.acme = new AcmeProcess({
      spawn: (options, handler) => host.spawn(options, handler),
      sockets: world.sockets,
      after,
      lend: (path, reader) => world.bytesToLend(path, reader),
      log,
    });
    this.#certificates = new CertificateMonitor({
      files: ownTlsFiles,
      metrics,
      log,
      after,
      kept: (lastGood) => host.lend(lastGood),
    });
    this.#keyWatch = new LentWatch(world, () => this.#lendKeys());
  }

  /** This configuration is in force now; `keys` are its files as they were when they were read for the workers. */
  follow(inForce: InForce, keys: LentIdentities): void {
    this.#inForce = inForce;
    this.#keyWatch.follow(keys);
    this.#certificates.follow(servedCertificates(inForce.configuration));
    this.acme.apply(inForce.configuration.settings, inForce.identity);
  }

  stop(): void {
    this.#keyWatch.stop();
    this.#certificates.stop();
    this.acme.stop();
  }

  /** What was in files that are bad now, for workers that are started. */
  lastGood(): Readonly<Record<string, string>> {
    return this.#certificates.lastGood();
  }

  /** What whoever looks after the service should know, a line each. */
  notes(): readonly string[] {
    return [...this.#certificates.notes(), ...this.acme.notes()];
  }

  /** Files of TLS are others now: the workers get what they cannot read of them, and go on as they are. */
  #lendKeys(): void {
    if (this.#inForce === undefined) return;
    const { configuration, identity } = this.#inForce;
    const { lent, seen } = keysFor(configuration, identity, {
      world: this.#host.world,
      identityOf: (path) => this.#keyWatch.identityOf(path),
    });
    // A table may name other files now.
    this.#keyWatch.follow(seen);
    this.#host.lend(lent);
  }
}
