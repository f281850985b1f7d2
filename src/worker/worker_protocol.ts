import type { ConfigurationTexts } from "../config/service.ts";
import type { MetricsSnapshot } from "../observe/metrics.ts";
import type { Verb } from "../master/control/control_protocol.ts";

/** A configuration as text: read once by master (secrets included), parsed the same way by every worker. */
export interface ConfigurationText {
  /** Absolute path of the configuration directory. */
  readonly directory: string;
  readonly texts: ConfigurationTexts;
}

/** A listening socket that a worker inherits. */
export interface InheritedListener {
  /** Index into the configuration's services. */
  readonly service: number;
  /** Descriptor in the worker. */
  readonly fd: number;
  readonly address: string;
  readonly port: number;
}

/** How a worker's log is written. */
export interface LogTarget {
  readonly is: "descriptor" | "syslog";
  /** The open descriptor in the reader's process. */
  readonly fd: number;
}

/** What makes an idle process a worker. */
export interface Boot {
  readonly configuration: ConfigurationText;
  /** Number among the workers of its generation, from 0. */
  readonly index: number;
  /** Number of the queue's shard that it owns. */
  readonly shard: number;
  /** How many workers share the load: limits of the whole service are divided by it. */
  readonly workers: number;
  readonly listeners: readonly InheritedListener[];
  readonly log: LogTarget;
  /** Whether master can start delivery helpers with other users' rights: it is root. */
  readonly helpers: boolean;
  /** Open descriptors that the process may have. */
  readonly openFiles: number;
}

/** master to worker. */
export type ToWorker =
  | { readonly is: "boot"; readonly boot: Boot }
  /** Stop accepting, finish what is in flight within so many milliseconds, release the shard, exit. */
  /** `hurry`: give up at once what can be given up without loss (a stop, not a reload). May come again to go on faster. */
  | { readonly is: "drain"; readonly within: number; readonly hurry: boolean }
  /** Take over shards without an owner. */
  | { readonly is: "adopt" }
  | { readonly is: "ask"; readonly id: number; readonly verb: WorkerVerb; readonly args: WorkerArguments }
  /** The answer to `request`. */
  | { readonly is: "answer"; readonly id: number; readonly value: unknown };

/** What a worker can be asked: the control socket's verbs, and master's own. */
export type WorkerVerb = Verb | "probe" | "snapshot";

/** Named arguments of a verb. */
export type WorkerArguments = { readonly [name: string]: unknown };

/** worker to master. */
export type FromWorker =
  /** Listening; from here on a death is a crash. */
  | { readonly is: "ready" }
  /** Cannot work with this configuration, and would not after a restart. */
  | { readonly is: "unfit"; readonly why: string }
  /** The shard's lock is held by a process that is not ours to know: another number, please. */
  | { readonly is: "shard taken" }
  | { readonly is: "metrics"; readonly snapshot: MetricsSnapshot }
  | { readonly is: "rows"; readonly id: number; readonly rows: readonly unknown[] }
  | { readonly is: "done"; readonly id: number; readonly value: unknown }
  | { readonly is: "error"; readonly id: number; readonly why: string }
  /** Something only master can do. */
  | { readonly is: "request"; readonly id: number; readonly what: string; readonly args: WorkerArguments };

/**
 * A message of our own program at the other end of the channel: only its kind is looked at, as both ends are one build but for
 * the moment of an upgrade.
 */
export function isMessage<Message extends { readonly is: string }>(value: unknown): value is Message {
  return typeof value === "object" && value !== null && typeof (value as { is?: unknown }).is === "string";
}
