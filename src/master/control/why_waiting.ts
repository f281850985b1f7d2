import { count, finite, flag, list, oneOf, optional, record, type Shape, text } from "../../base/shape.ts";
import type { RecipientDetail } from "../../message/recipient_detail.ts";
import type { ActiveLook, WaitingFor } from "../../qmgr/active_look.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { queueId, queueName } from "../../queue/queue_shapes.ts";
import type { QueueListing, QueueName, StoredMessage } from "../../queue/store.ts";

/** A recipient who is still to be delivered to, and what the last attempt came to. */
export interface WaitingRecipient {
  readonly address: string;
  readonly status?: string;
  readonly why?: string;
  readonly remoteMta?: string;
  /** What the other side said, as a notice would have it. */
  readonly diagnostic?: string;
}

/** What holds a message now, when that ends, and what was said last. Times are milliseconds since 1970. */
export interface WhyWaiting {
  readonly id: QueueId;
  readonly queue: QueueName;
  readonly sender: string;
  readonly size: number;
  readonly arrival: number;
  /** The next attempt of a deferred message. */
  readonly nextAttempt?: number;
  /** From then on an attempt that fails is the last one, and the sender hears of it. */
  readonly expires: number;
  readonly forcedExpire: boolean;
  readonly requeue: boolean;
  /** Who holds it: an operator, a sending limit of this user, or an access rule or filter. */
  readonly heldBy?: "operator" | "limit" | "rule";
  readonly user?: string;
  /** What is known of an active message. */
  readonly active?: ActiveLook;
  /** How many wait in all, and the first of them. */
  readonly waiting: number;
  readonly recipients: readonly WaitingRecipient[];
}

/** Recipients that are told of one by one. */
const MOST_RECIPIENTS = 50;
const MOST_DESTINATIONS = 50;
const WORD = text(4096);

const waitingFor: Shape<WaitingFor> = record<WaitingFor>({
  transport: WORD,
  nexthop: WORD,
  withAgent: count,
  waiting: count,
  running: count,
  limit: count,
  pausedUntil: optional(finite),
});

const waitingRecipient: Shape<WaitingRecipient> = record<WaitingRecipient>({
  address: WORD,
  status: optional(WORD),
  why: optional(WORD),
  remoteMta: optional(WORD),
  diagnostic: optional(WORD),
});

/** The check of it, for both ends. */
export const whyWaitingShape: Shape<WhyWaiting> = record<WhyWaiting>({
  id: queueId,
  queue: queueName,
  sender: WORD,
  size: count,
  arrival: finite,
  nextAttempt: optional(finite),
  expires: finite,
  forcedExpire: flag,
  requeue: flag,
  heldBy: optional(oneOf("operator", "limit", "rule")),
  user: optional(WORD),
  active: optional(
    record<ActiveLook>({ since: finite, destinations: list(waitingFor, MOST_DESTINATIONS) }),
  ),
  waiting: count,
  recipients: list(waitingRecipient, MOST_RECIPIENTS),
});

/** maximal_queue_lifetime and bounce_queue_lifetime, in seconds. */
export interface Lifetimes {
  readonly maximal_queue_lifetime: number;
  readonly bounce_queue_lifetime: number;
}

/** Gathers it from what the store says of a message, and qmgr where it is active. */
export function whyWaiting(
  row: QueueListing,
  { envelope, states, requeue, heldByOperator }: Pick<
    StoredMessage,
    "envelope" | "states" | "requeue" | "heldByOperator"
  >,
  { lifetimes, active }: { readonly lifetimes: Lifetimes; readonly active: ActiveLook | undefined },
): WhyWaiting {
  const { maximal_queue_lifetime: longest, bounce_queue_lifetime: ofNotices } = lifetimes;
  const lifetime = envelope.sender === "" ? Math.min(longest, ofNotices) : longest;
  const pending = envelope.recipients.flatMap(({ address }, at) => {
    const state = states[at];
    return state?.is === "pending" ? [waitingOf(address, state.why)] : [];
  });
  const user = envelope.overLimit === true ? envelope.origin.saslUsername : undefined;
  return {
    id: row.id,
    queue: row.queue,
    sender: cut(row.sender),
    size: row.size,
    arrival: Math.floor(row.arrival),
    ...(row.due !== undefined && { nextAttempt: Math.ceil(row.due) }),
    expires: Math.floor(envelope.created ?? row.arrival) + lifetime * 1000,
    forcedExpire: row.forcedExpire,
    requeue: requeue === true,
    ...(row.queue === "hold" && { heldBy: holder(heldByOperator, envelope.overLimit) }),
    ...(user !== undefined && { user: cut(user) }),
    ...(active !== undefined && {
      active: { ...active, destinations: active.destinations.slice(0, MOST_DESTINATIONS) },
    }),
    waiting: pending.length,
    recipients: pending.slice(0, MOST_RECIPIENTS),
  };
}

function holder(
  byOperator: boolean | undefined,
  overLimit: boolean | undefined,
): "operator" | "limit" | "rule" {
  if (byOperator === true) return "operator";
  return overLimit === true ? "limit" : "rule";
}

function waitingOf(address: string, why: RecipientDetail | undefined): WaitingRecipient {
  if (why === undefined) return { address: cut(address) };
  const { status, text: words, remoteMta, diagnostic } = why;
  return {
    address: cut(address),
    status: cut(status),
    why: cut(words),
    ...(remoteMta !== undefined && { remoteMta: cut(remoteMta) }),
    ...(diagnostic !== undefined && { diagnostic: cut(diagnostic) }),
  };
}

/** Longer words are nobody's to read, and an answer is one line of the protocol. */
const cut = (words: string): string => words.slice(0, 1024);
