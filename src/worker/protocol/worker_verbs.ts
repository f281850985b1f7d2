import {
  count,
  finite,
  flag,
  list,
  Misfit,
  nothing,
  optional,
  record,
  type Shape,
  text,
} from "../../base/shape.ts";
import { type RunningAnswer, runningAnswer } from "../../explain/explanation_shape.ts";
import type { FlushAnswer } from "../../flush/flush.ts";
import { flushAnswer, MOVE_ARGS, type MoveArgs, words } from "../../master/control/control_verbs.ts";
import { type MessagePiece, messagePiece, type QueueRow, queueRow } from "../../master/control/queue_rows.ts";
import { type WhyWaiting, whyWaitingShape } from "../../master/control/why_waiting.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { type MoveStep, moveStep } from "../../queue/move_shapes.ts";
import { queueCounts, queueId, queueName } from "../../queue/queue_shapes.ts";
import { type QueueFilter, queueFilter } from "../../queue/filter/queue_filter.ts";
import type { QueueCounts, QueueName } from "../../queue/store.ts";

type None = Readonly<Record<never, never>>;

interface Verbal<Args, Result, Row = never> {
  readonly args: Args;
  readonly result: Result;
  /** One of many that come before the result. */
  readonly row: Row;
}

/** All messages, or those of these ids. */
export interface Ids {
  readonly ids?: readonly QueueId[];
}

/** Which messages are to be listed. */
export interface ListArgs {
  readonly queue: QueueName;
  readonly filter?: QueueFilter;
  /** For an ordinary user: mail goes first. */
  readonly gently?: boolean;
}

/** What master asks of a worker, each about its own part of the queue. Counts are of messages. */
export interface WorkerVerbs {
  /** One queue at a time, so that master can have those of all workers in the order of a listing. */
  readonly list: Verbal<ListArgs, number, QueueRow>;
  readonly cat: Verbal<{ readonly id: QueueId }, number, MessagePiece>;
  readonly why: Verbal<{ readonly id: QueueId }, { readonly found?: WhyWaiting }>;
  readonly counts: Verbal<None, QueueCounts>;
  readonly flush: Verbal<Ids, number>;
  readonly flush_site: Verbal<{ readonly site: string }, FlushAnswer>;
  /** Takes over what workers that are gone have left in the queue; how many messages that were. */
  readonly adopt: Verbal<None, number>;
  /** postsuper(1); each step is a row. */
  readonly move: Verbal<MoveArgs & Ids, null, MoveStep>;
  readonly explain: Verbal<{ readonly words: readonly string[] }, RunningAnswer>;
  /** What was held for a user's sending limits. */
  readonly release: Verbal<{ readonly user: string }, number>;
  readonly pickup: Verbal<None, null>;
  /** Milliseconds that a durable write takes now. */
  readonly probe: Verbal<None, number>;
  /** What damage was found in the queue, in a sentence. */
  readonly damage: Verbal<None, { readonly found?: string }>;
  /** Sends its numbers. */
  readonly snapshot: Verbal<None, null>;
}

export type WorkerVerb = keyof WorkerVerbs;
export type WorkerArgs<V extends WorkerVerb> = WorkerVerbs[V]["args"];
export type WorkerRow<V extends WorkerVerb> = WorkerVerbs[V]["row"];
export type WorkerResult<V extends WorkerVerb> = WorkerVerbs[V]["result"];

/** Ids in one question. */
export const MOST_IDS = 500;
/** Rows in one message. */
export const MOST_ROWS = 200;

interface VerbShapes<V extends WorkerVerb> {
  readonly args: Shape<WorkerArgs<V>>;
  readonly rows: Shape<readonly WorkerRow<V>[]>;
  readonly result: Shape<WorkerResult<V>>;
}

const none: Shape<None> = record<None>({});
const noRows: Shape<readonly never[]> = () => new Misfit("no rows");
const flush = {
  args: record<Ids>({ ids: optional(list(queueId, MOST_IDS)) }),
  rows: noRows,
  result: count,
} as const;

/** The check of each verb, for both ends. */
export const WORKER_VERBS: { readonly [V in WorkerVerb]: VerbShapes<V> } = {
  list: {
    args: record<ListArgs>({ queue: queueName, filter: optional(queueFilter), gently: optional(flag) }),
    rows: list(queueRow, MOST_ROWS),
    result: count,
  },
  cat: {
    args: record<WorkerArgs<"cat">>({ id: queueId }),
    rows: list(messagePiece, MOST_ROWS),
    result: count,
  },
  why: {
    args: record<WorkerArgs<"why">>({ id: queueId }),
    rows: noRows,
    result: record<WorkerResult<"why">>({ found: optional(whyWaitingShape) }),
  },
  counts: { args: none, rows: noRows, result: queueCounts },
  flush,
  flush_site: {
    args: record<WorkerArgs<"flush_site">>({ site: text(1024) }),
    rows: noRows,
    result: flushAnswer,
  },
  release: {
    args: record<WorkerArgs<"release">>({ user: text(1024) }),
    rows: noRows,
    result: count,
  },
  adopt: { args: none, rows: noRows, result: count },
  move: {
    args: record<WorkerArgs<"move">>({ ...MOVE_ARGS, ids: optional(list(queueId, MOST_IDS)) }),
    rows: list(moveStep, MOST_ROWS),
    result: nothing,
  },
  explain: { args: record<WorkerArgs<"explain">>({ words }), rows: noRows, result: runningAnswer },
  pickup: { args: none, rows: noRows, result: nothing },
  probe: { args: none, rows: noRows, result: finite },
  damage: {
    args: none,
    rows: noRows,
    result: record<WorkerResult<"damage">>({ found: optional(text(4096)) }),
  },
  snapshot: { args: none, rows: noRows, result: nothing },
};

export function isWorkerVerb(name: string): name is WorkerVerb {
  return Object.hasOwn(WORKER_VERBS, name);
}
