import type { Ending } from "../base/ending.ts";
import type { AddressVerifier } from "../access/verifier.ts";
import type { SigningKeys } from "../cleanup/signing/signing_keys.ts";
import type { Configuration, Service } from "../config/service.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Connection, ConnectionHandler } from "../platform/socket/connection.ts";
import type { ActiveLook } from "../qmgr/active_look.ts";
import type { QueueId } from "../queue/envelope.ts";
import type { QueueStore } from "../queue/store.ts";
import type { TlsFiles } from "../tls/tls_files.ts";
import type { Flushes } from "./services/flushes.ts";
import type { AskMaster } from "./protocol/master_verbs.ts";

/** What a worker's services are built from. */
export interface AssemblyContext {
  readonly configuration: Configuration;
  readonly store: QueueStore;
  readonly metrics: Metrics;
  /** A log with the syslog_name of these settings. */
  readonly logFor: (settings: Service["settings"]) => Log;
  /** Number of this worker and how many there are: limits of the whole service are divided by it. */
  readonly index: number;
  readonly workers: number;
  /** The limit on open descriptors. */
  readonly openFiles: number;
  /** Whether master starts delivery helpers with other users' rights. */
  readonly helpers: boolean;
  /** Keys, certificates and authorities: read here, or lent by master where only root may read them. */
  readonly tlsFiles: TlsFiles;
  /** The keys that mail is signed with (dkim_signing_keys), read by means of those files. */
  readonly signingKeys: SigningKeys;
  /** Asks master for what only it can do. */
  readonly request: AskMaster;
}

/** The whole mail path of one worker, put together. */
export interface Assembly {
  /** Takes a connection to an inet service of the configuration. */
  accept(service: Service, connection: Connection): ConnectionHandler;
  /** Connections after which a listener may stop to accept: more are never of use. */
  readonly mostConnections: number;
  /** Starts what works on the queue: deliveries, pick-up. */
  start(): void;
  /** Something in the queue has become due. */
  wake(): void;
  /** How it stands with a message that is active. */
  look(id: QueueId): ActiveLook | undefined;
  /** Makes deferred mail due. */
  readonly flushes: Flushes;
  /** What address probes have found. */
  readonly known: AddressVerifier["known"];
  /** Looks into the maildrop now. */
  pickup(): void;
  /** Ends sessions and deliveries as the ending lets them (421 to whoever waits for a command). Resolves when all is quiet or cut. */
  drain(ending: Ending): Promise<void>;
  /**
   * Resolves when clients that were told that the service ends have closed their side, or had the time for it: a process that ends
   * before has the system throw away what it had told those that were still sending.
   */
  farewell(ending: Ending): Promise<void>;
  /** Releases tables, connections, caches. */
  close(): Promise<void>;
}
