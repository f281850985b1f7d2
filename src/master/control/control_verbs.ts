import { LOGIN_KINDS, type LoginBan } from "../../anvil/login_ledger.ts";
import {
  count,
  type FieldShapes,
  finite,
  flag,
  list,
  Misfit,
  nothing,
  oneOf,
  optional,
  record,
  type Shape,
  text,
} from "../../base/shape.ts";
import type { FlushAnswer } from "../../flush/flush.ts";
import { type RunningAnswer, runningAnswer } from "../../explain/explanation_shape.ts";
import type { Level } from "../../observe/event.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { moveQueue, type MoveStep, moveStep, queueMove } from "../../queue/move_shapes.ts";
import { queueCounts, queueId } from "../../queue/queue_shapes.ts";
import type { MoveQueue, QueueCounts, QueueMove } from "../../queue/store.ts";
import { type QueueFilter, queueFilter } from "../../queue/filter/queue_filter.ts";
import { type MessagePiece, messagePiece, type QueueRow, queueRow } from "./queue_rows.ts";
import { type AcmeStatus, acmeStatus } from "./acme_status.ts";
import { type ServiceStatus, serviceStatus } from "./service_status.ts";
import { type WhyWaiting, whyWaitingShape } from "./why_waiting.ts";

/** No arguments. */
export type None = Readonly<Record<never, never>>;

/** What a verb takes and gives; `never` for what it has none of. */
interface Verbal<Args, Result, Streams extends { readonly item?: unknown; readonly row?: unknown } = None> {
  readonly args: Args;
  readonly result: Result;
  /** One of many that the client sends after the request. */
  readonly item: Streams extends { readonly item: infer Item } ? Item : never;
  /** One of many that come before the result. */
  readonly row: Streams extends { readonly row: infer Row } ? Row : never;
}

/** Whose lines of the log they are, and how grave. */
export interface LogOrigin {
  readonly level: Level;
  readonly tag: string;
  readonly pid: number;
}

/** For all messages, or for those whose ids follow. */
export interface Which {
  readonly all?: boolean;
}

type Flush = Verbal<Which, number, { readonly item: QueueId }>;

/** What an operator wants of messages, and of which. */
export interface MoveArgs {
  readonly move: QueueMove;
  /** Only those in one of these queues. */
  readonly queues?: readonly MoveQueue[];
  /** Only those that it means; for all, not for ids. */
  readonly filter?: QueueFilter;
  /** Nothing is changed. */
  readonly dryRun?: boolean;
  /** Each message is to be told, and is logged. */
  readonly each?: boolean;
}

/** The check of them. */
export const MOVE_ARGS: FieldShapes<MoveArgs> = {
  move: queueMove,
  queues: optional(list(moveQueue, 10)),
  filter: optional(queueFilter),
  dryRun: optional(flag),
  each: optional(flag),
};

/**
 * Everything that can be asked of the running service, over the control socket or in another way. Counts are of messages.
 */
export interface ControlVerbs {
  readonly status: Verbal<None, ServiceStatus>;
  /** Done once the new workers serve; a fault: the old ones still do. */
  readonly reload: Verbal<None, null>;
  /** Drains, then exits; done at once. */
  readonly stop: Verbal<None, null>;
  /** Exits without waiting for what is in flight. */
  readonly abort: Verbal<None, null>;
  /** Prometheus' text format, in pieces. */
  readonly metrics: Verbal<None, null, { readonly row: string }>;
  /** The messages that a filter means, or all: queue by queue, in the order of showq(8). */
  readonly list: Verbal<{ readonly filter?: QueueFilter }, number, { readonly row: QueueRow }>;
  readonly counts: Verbal<None, QueueCounts>;
  /** Makes deferred mail due now (postqueue -f, -i). */
  readonly flush: Flush;
  /** Deferred mail for a domain (postqueue -s). */
  readonly flush_site: Verbal<{ readonly site: string }, FlushAnswer>;
  /** postsuper(1) -h, -H, -e, -f, -d, -r: each step that is durable is a row. */
  readonly move: Verbal<MoveArgs & Which, null, { readonly item: QueueId; readonly row: MoveStep }>;
  /** What damage was found in the queue and not yet cleared away, in sentences (postsuper -s). */
  readonly damage: Verbal<None, { readonly found: readonly string[] }>;
  /** postcat -q; 0 and no rows when it is not there. */
  readonly cat: Verbal<{ readonly id: QueueId }, number, { readonly row: MessagePiece }>;
  /** What holds a message, when that ends, what was said last; nothing when it is not in the queue. */
  readonly why: Verbal<{ readonly id: QueueId }, { readonly found?: WhyWaiting }>;
  /** A session as `mta explain` is given it, word by word, by what the service has loaded. */
  readonly explain: Verbal<None, RunningAnswer, { readonly item: string }>;
  /** How it stands with the certificate of acme_domains; nothing while there are none. */
  readonly acme: Verbal<None, { readonly status?: AcmeStatus }>;
  /** Orders it now; done when that has ended, whatever came of it. */
  readonly acme_renew: Verbal<None, { readonly status?: AcmeStatus }>;
  /** Who may not log in for a time (login_failure_limit). */
  readonly bans: Verbal<None, number, { readonly row: LoginBan }>;
  /** Lifts bans, of all or of those whose names follow; answers how many there were. */
  readonly unban: Verbal<Which, number, { readonly item: string }>;
  /** Lets go what was held for a user's sending limits, and counts his mail anew. */
  readonly release: Verbal<{ readonly user: string }, number>;
  /** Lines for the log, of a program that cannot write to it itself (postlog(1)). */
  readonly log: Verbal<LogOrigin, number, { readonly item: string }>;
  /** New mail in the maildrop. */
  readonly pickup: Verbal<None, null>;
}

/** What became of a request for a site's mail, as it travels. */
export const flushAnswer: Shape<FlushAnswer> = oneOf("started", "denied", "failed");

export type Verb = keyof ControlVerbs;
export type ArgsOf<V extends Verb> = ControlVerbs[V]["args"];
export type ItemOf<V extends Verb> = ControlVerbs[V]["item"];
export type RowOf<V extends Verb> = ControlVerbs[V]["row"];
export type ResultOf<V extends Verb> = ControlVerbs[V]["result"];

/** Who may use a verb: the owner (root or the master's own user), mail_owner too, whose files the queue's are, or whom a parameter lists. */
export type MayUse = "owner" | "mail_owner" | "authorized_mailq_users" | "authorized_flush_users";

/** A verb's check at the door, for both ends, and who may use it. */
export interface VerbRow<V extends Verb> {
  readonly mayUse: MayUse;
  readonly args: Shape<ArgsOf<V>>;
  readonly result: Shape<ResultOf<V>>;
  readonly item: Shape<ItemOf<V>>;
  readonly row: Shape<RowOf<V>>;
  /** Whether items follow the request. */
  readonly takesItems: boolean;
  /** Goes through the queue, with rows for as long as somebody reads: ordinary users have a few of them at a time. */
  readonly isListing?: true;
}

const none: Shape<None> = record<None>({});
const never: Shape<never> = () => new Misfit("nothing");
const NO_STREAMS = { item: never, row: never, takesItems: false } as const;

function flush(mayUse: MayUse) {
  const args = record<Which>({ all: optional(flag) });
  return { mayUse, args, result: count, item: queueId, row: never, takesItems: true } as const;
}

/** Words of a session to be explained: more is none that a person wrote. */
export const MOST_WORDS = 1000;
const WORD = text(4096);
/** The words of one session together. */
export const words: Shape<readonly string[]> = list(WORD, MOST_WORDS);

const loginBan = record<LoginBan>({
  kind: oneOf(...LOGIN_KINDS),
  what: text(256),
  failures: count,
  until: finite,
});

const ofAcme = record<ResultOf<"acme">>({ status: optional(acmeStatus) });

/** All verbs. */
export const VERBS: { readonly [V in Verb]: VerbRow<V> } = {
  status: { mayUse: "authorized_mailq_users", args: none, result: serviceStatus, ...NO_STREAMS },
  reload: { mayUse: "owner", args: none, result: nothing, ...NO_STREAMS },
  stop: { mayUse: "owner", args: none, result: nothing, ...NO_STREAMS },
  abort: { mayUse: "owner", args: none, result: nothing, ...NO_STREAMS },
  acme: { mayUse: "owner", args: none, result: ofAcme, ...NO_STREAMS },
  acme_renew: { mayUse: "owner", args: none, result: ofAcme, ...NO_STREAMS },
  metrics: { mayUse: "owner", args: none, result: nothing, ...NO_STREAMS, row: text(128 * 1024) },
  list: {
    mayUse: "authorized_mailq_users",
    args: record<ArgsOf<"list">>({ filter: optional(queueFilter) }),
    result: count,
    ...NO_STREAMS,
    row: queueRow,
    isListing: true,
  },
  counts: { mayUse: "authorized_mailq_users", args: none, result: queueCounts, ...NO_STREAMS },
  flush: flush("authorized_flush_users"),
  flush_site: {
    mayUse: "authorized_flush_users",
    args: record<ArgsOf<"flush_site">>({ site: text(1024) }),
    result: flushAnswer,
    ...NO_STREAMS,
  },
  move: {
    mayUse: "mail_owner",
    args: record<ArgsOf<"move">>({ ...MOVE_ARGS, all: optional(flag) }),
    result: nothing,
    item: queueId,
    row: moveStep,
    takesItems: true,
  },
  damage: {
    mayUse: "mail_owner",
    args: none,
    result: record<ResultOf<"damage">>({ found: list(text(4096), 10_000) }),
    ...NO_STREAMS,
  },
  cat: {
    mayUse: "mail_owner",
    args: record<ArgsOf<"cat">>({ id: queueId }),
    result: count,
    ...NO_STREAMS,
    row: messagePiece,
  },
  why: {
    mayUse: "authorized_mailq_users",
    args: record<ArgsOf<"why">>({ id: queueId }),
    result: record<ResultOf<"why">>({ found: optional(whyWaitingShape) }),
    ...NO_STREAMS,
  },
  explain: {
    mayUse: "owner",
    args: none,
    result: runningAnswer,
    ...NO_STREAMS,
    item: WORD,
    takesItems: true,
  },
  release: {
    mayUse: "owner",
    args: record<ArgsOf<"release">>({ user: text(1024) }),
    result: count,
    ...NO_STREAMS,
  },
  bans: { mayUse: "owner", args: none, result: count, ...NO_STREAMS, row: loginBan },
  unban: {
    mayUse: "owner",
    args: record<Which>({ all: optional(flag) }),
    result: count,
    item: text(256),
    row: never,
    takesItems: true,
  },
  log: {
    mayUse: "mail_owner",
    args: record<LogOrigin>({
      level: oneOf("info", "warning", "error", "fatal", "panic"),
      tag: text(1024),
      pid: count,
    }),
    result: count,
    item: WORD,
    row: never,
    takesItems: true,
  },
  pickup: { mayUse: "authorized_flush_users", args: none, result: nothing, ...NO_STREAMS },
};

export function isVerb(name: string): name is Verb {
  return Object.hasOwn(VERBS, name);
}
