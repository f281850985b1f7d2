import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { Custody } from "./custody.ts";
import type { Envelope, QueueId } from "./envelope.ts";

/**
 * A message being received: a head, which may change until the end, and a body. A small body stays in memory; over the store's
 * threshold it streams to a file of its own, so memory per session does not depend on the message size. Both are in wire form: CR LF
 * line ends, dots unstuffed.
 */
export interface Draft {
  readonly id: QueueId;
  /** Bytes of body written so far. */
  readonly size: number;
  /**
   * Adds to the body. `bytes` are the caller's again when it is done, which is later when they go to a file and the disk does not keep
   * up: what is on the way then is bounded. Rejects with QueueFault (disk full, I/O error), which a write before may have met.
   */
  write(bytes: Uint8Array): MaybeAsync<void>;
  /** Forgets the body: what is written next takes its place. Rejects with QueueFault. */
  restart(): MaybeAsync<void>;
  /**
   * The body as far as it was written, in pieces of bounded size, each of which counts until the next one is asked for: for filters and
   * signatures, which look at what others made of it. Nothing is written meanwhile. Throws QueueFault.
   */
  read(): AsyncIterable<Uint8Array>;
  /**
   * Makes the message ours, `head` in front of the body: resolves after the sync that covers them and the envelope has returned, and
   * never before. Rejects with QueueFault when it is not stored; then nothing of it remains. Calls the store's `onArrival` listeners
   * after.
   */
  commit(envelope: Envelope, head: Uint8Array): Promise<void>;
  /** Drops the draft. Harmless after commit. */
  abort(): void;
}

/** A message's content, wire form (CR LF). */
export interface Content {
  readonly size: number;
  /** The whole content when it is small enough to be held in memory, else undefined: use `chunks`. */
  readonly bytes: Uint8Array | undefined;
  /** The content in order, in pieces of bounded size. */
  chunks(): AsyncIterable<Uint8Array>;
  /** The same from memory that is used again afterwards; undefined where it is not there. */
  lend?(): LentContent | undefined;
}

/** Content in memory that goes back to the store. */
export interface LentContent {
  /** All of it, in pieces of bounded size. */
  readonly pieces: readonly Uint8Array[];
  /** To be called once. `isUntouched`: nobody will look at the pieces any more, so that others may write there. */
  giveBack(isUntouched: boolean): void;
}

/** What is settled about a recipient, as kept in the queue. */
export type RecipientState =
  | { readonly is: "pending"; /** Last reason of deferral. */ readonly why?: RecipientDetail }
  | {
    readonly is: "sent"; /** Kept until reported, when a success report is due. */
    readonly report?: RecipientDetail;
  }
  | { readonly is: "failed"; readonly report: RecipientDetail }
  /** Final, and whoever was to be told has been told. */
  | { readonly is: "done" };

/** A change of one recipient: its index in the envelope's list and the new state. */
export interface RecipientChange {
  readonly index: number;
  readonly state: RecipientState;
}

/** Which queue a message is in, by Postfix's names. */
export type QueueName = "incoming" | "active" | "deferred" | "hold";

/** The queues in the order of a listing, which is that of showq(8). */
export const QUEUES_IN_ORDER: readonly QueueName[] = ["active", "incoming", "deferred", "hold"];

/** A message as qmgr opens it. */
export interface StoredMessage {
  readonly envelope: Envelope;
  /** Parallel to `envelope.recipients`. */
  readonly states: readonly RecipientState[];
  readonly content: Content;
  /** When a delay warning has been sent already. */
  readonly warned: boolean;
  /** The operator asked for forced expiration (postsuper(1) -e, -f): the next run returns it to the sender. */
  readonly forcedExpire?: boolean;
  /** It is to go through cleanup(8) again (postsuper(1) -r) and not to be delivered. */
  readonly requeue?: boolean;
  /** An operator has put it on hold, or wants it to stay there. */
  readonly heldByOperator?: boolean;
}

/** What an operator does to messages: postsuper(1) -h, -H, -e, -f, -d, -r. */
export type QueueMove = "hold" | "unhold" | "expire" | "expireAndUnhold" | "delete" | "requeue";

/** What became of a message by it. */
export type MoveEffect = "held" | "released" | "expired" | "deleted" | "requeued";

/** A message that a move has touched. */
export interface Moved {
  readonly id: QueueId;
  readonly effect: MoveEffect;
}

/** Where postsuper(1) finds messages: what waits to go through cleanup(8) again is in the maildrop. */
export type MoveQueue = QueueName | "maildrop";

/** Which messages a move is for. */
export interface Selection {
  /** Without them all that are in the queue when the move begins. */
  readonly ids?: readonly QueueId[];
  /** Only those that are in one of these. */
  readonly queues?: readonly MoveQueue[];
  /** Only those of them that are so; `matches` is not asked about ids. */
  readonly wanted?: Wanted;
  /** Nothing is changed; what would be is told. */
  readonly dryRun?: boolean;
}

/** A row of the queue listing (postqueue(1)). */
export interface QueueListing {
  readonly id: QueueId;
  readonly queue: QueueName;
  readonly arrival: number;
  readonly size: number;
  readonly sender: string;
  readonly forcedExpire: boolean;
  /** When a deferred message is tried again, milliseconds since 1970. */
  readonly due?: number;
  /** Those to whom it is still to be delivered, and what their last attempt came to. */
  readonly recipients: readonly ListedRecipient[];
}

/** A recipient of a message in the listing. */
export interface ListedRecipient {
  readonly address: string;
  /** What the client wrote, where that is something else. */
  readonly original?: string;
  /** Why the last attempt did not succeed. */
  readonly why?: string;
  /** Its enhanced status code. */
  readonly status?: string;
}

/** Which messages a listing is to have; all that is said must hold. The first two cost the least: no message is read for them. */
export interface Wanted {
  readonly queues?: readonly QueueName[];
  /** Arrived at this time (milliseconds since 1970) or earlier. */
  readonly before?: number;
  readonly matches?: (listing: QueueListing) => boolean;
  /** Called between messages, listed or not: how a long listing leaves time for others. Left out: the loop's turns stay short. */
  readonly pause?: () => Promise<void> | undefined;
}

/** Accepted messages that damage has taken. */
export interface Loss {
  /** So many are lost for sure; where `most` is not known, about so many, as some may have been finished since the last mark. */
  readonly least: number;
  /** No more than so many; undefined when that cannot be known. */
  readonly most: number | undefined;
  /** Those whose ids are known. */
  readonly ids: readonly string[];
}

/** Number of messages in each state; cheap enough for every scrape. */
export type QueueCounts = { readonly [name in QueueName]: number } & {
  readonly corrupt: number;
  readonly bytes: number;
};

/**
 * Whose messages the stores of several workers hold: each its own ("worker"), so that whoever wants to see or move all asks every
 * worker; or all the same ("shared"), so that one of them is asked.
 */
export type Ownership = "worker" | "shared";

/**
 * The durable store, as one worker has it. Nothing here says that files exist, and nothing outside `queue/` may know it; what a store
 * has to look up is a promise, what it only has to note is not. Every change is ordered: what was recorded first counts first.
 * Changes are made durable in batches, never later than the next commit; `flush` waits for all recorded so far.
 */
export interface QueueStore {
  readonly ownership: Ownership;
  /**
   * Resolves when what earlier processes left is there. Until then new mail comes and goes, no other comes due, and whoever asks for
   * other messages waits. Rejects with QueueFault when it cannot be had: whoever opened the store then closes it.
   */
  readonly loaded: Promise<void>;
  /** A fresh id, unique over all workers. Made here: no store has to be asked. */
  newId(): QueueId;
  /**
   * Why a message of `size` bytes (0 when the client did not say) cannot be taken in now: `full` for lack of space
   * (queue_minfree, message_size_limit: postconf(5)), else writing fails or the queue is not where it was. Undefined when it
   * can. Cheap: the store looks at most once a second.
   */
  refusal(size: number): QueueFault | undefined;
  /** The same for mail at all: what log, metric and readiness tell. */
  readonly trouble: QueueFault | undefined;
  draft(id: QueueId): Draft;
  /** Files that become messages. */
  readonly custody: Custody;
  /** Called after a message has become ours (and at replay for each that waits), never for held ones. */
  onArrival(listener: () => void): void;

  /**
   * Up to `limit` messages whose time has come, moved to the active state: new and deferred ones in turn, each oldest due
   * first, so that a large deferred queue cannot hold up new mail. The caller settles each by `defer`, `remove` or `release`.
   */
  takeDue(now: number, limit: number): Promise<readonly QueueId[]>;
  /** Earliest due time of what waits, or undefined. */
  nextDue(): Promise<number | undefined>;
  open(id: QueueId): Promise<StoredMessage>;

  /** Recipient outcomes in the middle of a run. Sync, durable with the next batch. */
  record(id: QueueId, changes: readonly RecipientChange[]): void;
  /** Ends a run: back to deferred until `nextAttempt` (ms), with the final states of this run. */
  defer(
    id: QueueId,
    nextAttempt: number,
    changes: readonly RecipientChange[],
    options?: { readonly warned?: boolean },
  ): void;
  /** All recipients are done: the message goes. False when it was not there any more. */
  remove(id: QueueId): boolean;
  /** Puts an active message back as it was (shutdown in mid-run). */
  release(id: QueueId): void;
  /** Resolves when everything recorded so far is on disk. */
  flush(): Promise<void>;

  /**
   * An operator's move, some messages at a time: those of a step are durable when they are told, and other work has its turn before the
   * next; whoever stops asking ends it. A message is touched once, and only if the move changes it. An active one is held, or goes
   * through cleanup(8), when what of its run has begun is over; a deleted one is gone at once, and what its run still reports is ignored.
   */
  move(move: QueueMove, selection?: Selection): AsyncIterable<readonly Moved[]>;
  /** Called for each active message that a move takes out of its run: what has not begun of that is not to begin. */
  onRecall(listener: (id: QueueId, effect: MoveEffect) => void): void;
  /** Makes deferred mail due now (postqueue -f, `mta flush`); held mail stays. */
  retryNow(ids?: readonly QueueId[]): Promise<number>;
  /**
   * The same for deferred mail that a recipient at a site still waits for (ETRN). What it costs grows with that site's mail, not with the
   * queue; a store that was opened without `bySite` knows of none.
   */
  retrySite(site: string): Promise<number>;

  counts(): Promise<QueueCounts>;
  /** A message's row of the listing; undefined when it is not in the queue. */
  find(id: QueueId): Promise<QueueListing | undefined>;
  /**
   * The messages that are wanted, queue by queue as showq(8) goes through them (active, incoming, deferred, hold), in each by age. As
   * there, one that moves meanwhile may be missed, or come twice where its queue is another.
   */
  list(wanted?: Wanted): AsyncIterable<QueueListing>;
  /** Latency of a probe write and sync, or a rejection with what keeps mail from being taken: readiness. */
  probe(): Promise<number>;
  /** What damage was found and not yet cleared away by an operator, in a sentence; undefined when none. */
  damage(): Promise<string | undefined>;
  /** Takes over the messages of workers that are gone; answers how many came in. */
  adoptOrphans(): Promise<number>;
  /** Flushes, and lets go of what it owns. */
  close(): Promise<void>;
}

/** Why a store could not: `full` for lack of space (smtpd then answers 452, else 451), `locked` when another process has it. */
export type QueueFaultKind = "full" | "locked" | "failed";

/** The store could not do what was asked; what failed is not accepted, what was accepted is untouched. */
export class QueueFault extends Error {
  override readonly name = "QueueFault";
  readonly kind: QueueFaultKind;
  constructor(what: string, why: string, options?: ErrorOptions & { readonly kind?: QueueFaultKind }) {
    super(`Cannot ${what}: ${why}`, options);
    this.kind = options?.kind ?? "failed";
  }

  get full(): boolean {
    return this.kind === "full";
  }
}
