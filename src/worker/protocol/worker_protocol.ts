import {
  count,
  dictionary,
  finite,
  flag,
  list,
  oneOf,
  optional,
  record,
  type Shape,
  tagged,
  text,
} from "../../base/shape.ts";
import type { ConfigurationTexts, OverridingText } from "../../config/service.ts";
import { type FaultReport, faultReport } from "../../master/control/service_fault.ts";
import type { MetricsSnapshot } from "../../observe/metrics.ts";
import { metricsSnapshot } from "../../observe/metrics_shape.ts";

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
  /** How many workers share the load: limits of the whole service are divided by it. */
  readonly workers: number;
  readonly listeners: readonly InheritedListener[];
  readonly log: LogTarget;
  /** Whether master can start delivery helpers with other users' rights: it is root. */
  readonly helpers: boolean;
  /** Open descriptors that the process may have. */
  readonly openFiles: number;
}

/**
 * master to worker, a line of JSON each. What is asked and answered, ./worker_verbs.ts and ./master_verbs.ts say: `args`, `rows`
 * and `value` are checked against their verb.
 */
export type ToWorker =
  | { readonly is: "boot"; readonly boot: Boot }
  /** Stop accepting, finish what is in flight within so many milliseconds, let go of the queue, exit. */
  /** `hurry`: give up at once what can be given up without loss (a stop, not a reload). May come again to go on faster. */
  | { readonly is: "drain"; readonly within: number; readonly hurry: boolean }
  /** Files of TLS that only root may read, as they are now (`ConfigurationTexts.keys`). */
  | { readonly is: "keys"; readonly keys: Readonly<Record<string, string>> }
  /** Take over what workers that are gone have left in the queue. */
  | { readonly is: "adopt" }
  | { readonly is: "ask"; readonly id: number; readonly verb: string; readonly args: unknown }
  /** The rows of that question have been taken: it may send more. */
  | { readonly is: "more"; readonly id: number }
  /** Nobody waits for that question's answer any more. */
  | { readonly is: "cancel"; readonly id: number }
  /** The answers to a `request`. */
  | { readonly is: "answer"; readonly id: number; readonly value: unknown }
  | { readonly is: "refusal"; readonly id: number; readonly fault: FaultReport };

/** worker to master. */
export type FromWorker =
  /** Listening; from here on a death is a crash. */
  | { readonly is: "ready" }
  /** Cannot work with this configuration, and would not after a restart. */
  | { readonly is: "unfit"; readonly why: string }
  | { readonly is: "metrics"; readonly snapshot: MetricsSnapshot }
  /** Some of an answer; it goes on after `more`. */
  | { readonly is: "rows"; readonly id: number; readonly rows: unknown }
  | { readonly is: "done"; readonly id: number; readonly value: unknown }
  | { readonly is: "fault"; readonly id: number; readonly fault: FaultReport }
  /** Something only master can do. */
  | { readonly is: "request"; readonly id: number; readonly what: string; readonly args: unknown };

/**
 * Longest message that a worker may send, in bytes: many times what its largest one takes (the numbers of all metrics), and what a
 * worker that was taken over can make master hold.
 */
export const LONGEST_OF_WORKER = 1024 * 1024;

type To<Is extends ToWorker["is"]> = Extract<ToWorker, { readonly is: Is }>;
type From<Is extends FromWorker["is"]> = Extract<FromWorker, { readonly is: Is }>;

/** Checked against its verb later. */
const anything: Shape<unknown> = (value) => value;
const VERB = text(64);
const WHY = text(64 * 1024);
/** What master has read itself: only its kind is looked at. */
const TEXT = text(Number.MAX_SAFE_INTEGER);
const MANY = 1_000_000;

const texts: Shape<ConfigurationTexts> = record<ConfigurationTexts>({
  main: TEXT,
  master: TEXT,
  overrides: list(
    record<OverridingText>({ name: TEXT, value: TEXT, file: TEXT, secret: optional(flag) }),
    MANY,
  ),
  lent: optional(dictionary(TEXT, MANY)),
  keys: optional(dictionary(TEXT, MANY)),
  closed: optional(dictionary(TEXT, MANY)),
});

const boot: Shape<Boot> = record<Boot>({
  configuration: record<ConfigurationText>({ directory: TEXT, texts }),
  index: count,
  workers: count,
  listeners: list(
    record<InheritedListener>({ service: count, fd: count, address: TEXT, port: count }),
    MANY,
  ),
  log: record<LogTarget>({ is: oneOf("descriptor", "syslog"), fd: count }),
  helpers: flag,
  openFiles: count,
});

/** A message of master. */
export const toWorker: Shape<ToWorker> = tagged<ToWorker, "is">("is", {
  boot: record<To<"boot">>({ is: oneOf("boot"), boot }),
  drain: record<To<"drain">>({ is: oneOf("drain"), within: finite, hurry: flag }),
  keys: record<To<"keys">>({ is: oneOf("keys"), keys: dictionary(TEXT, MANY) }),
  adopt: record<To<"adopt">>({ is: oneOf("adopt") }),
  ask: record<To<"ask">>({ is: oneOf("ask"), id: count, verb: VERB, args: anything }),
  more: record<To<"more">>({ is: oneOf("more"), id: count }),
  cancel: record<To<"cancel">>({ is: oneOf("cancel"), id: count }),
  answer: record<To<"answer">>({ is: oneOf("answer"), id: count, value: anything }),
  refusal: record<To<"refusal">>({ is: oneOf("refusal"), id: count, fault: faultReport }),
});

/** A message of a worker. */
export const fromWorker: Shape<FromWorker> = tagged<FromWorker, "is">("is", {
  ready: record<From<"ready">>({ is: oneOf("ready") }),
  unfit: record<From<"unfit">>({ is: oneOf("unfit"), why: WHY }),
  metrics: record<From<"metrics">>({ is: oneOf("metrics"), snapshot: metricsSnapshot }),
  rows: record<From<"rows">>({ is: oneOf("rows"), id: count, rows: anything }),
  done: record<From<"done">>({ is: oneOf("done"), id: count, value: anything }),
  fault: record<From<"fault">>({ is: oneOf("fault"), id: count, fault: faultReport }),
  request: record<From<"request">>({ is: oneOf("request"), id: count, what: VERB, args: anything }),
});
