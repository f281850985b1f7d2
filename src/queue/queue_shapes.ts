import {
  count,
  finite,
  flag,
  integer,
  known,
  later,
  list,
  Misfit,
  oneOf,
  optional,
  record,
  type Shape,
  tagged,
  text,
} from "../base/shape.ts";
import { type Address, internalAddress } from "../address/address.ts";
import { type Envelope, type Origin, type QueueId, type Recipient } from "./envelope.ts";
import { parseQueueId } from "./queue_id.ts";
import type { QueueCounts, QueueListing, QueueName, RecipientState } from "./store.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";

/** Longest text of a message's facts: an address or a reply. Lines of the protocols that carry them have a limit too. */
const LONG = 512 * 1024;
const TEXT = text(LONG);
const ADDRESS: Shape<Address> = (value) => {
  const given = TEXT(value);
  return given instanceof Misfit ? given : internalAddress(given);
};
/** Recipients in one list; longer ones are cut up by who sends them. */
const MOST_RECIPIENTS = 1000;

const isQueueId = (value: unknown): value is QueueId =>
  typeof value === "string" && parseQueueId(value) !== undefined;

/** A queue id as we hand them out. */
export const queueId: Shape<QueueId> = known(isQueueId, "a queue id");

export const queueName: Shape<QueueName> = oneOf("incoming", "active", "deferred", "hold");

export const queueCounts: Shape<QueueCounts> = record<QueueCounts>({
  incoming: count,
  active: count,
  deferred: count,
  hold: count,
  corrupt: count,
  bytes: count,
});

type ListedRecipient = QueueListing["recipients"][number];

export const queueListing: Shape<QueueListing> = record<QueueListing>({
  id: queueId,
  queue: queueName,
  arrival: finite,
  size: count,
  sender: TEXT,
  forcedExpire: flag,
  recipients: list(record<ListedRecipient>({ address: TEXT, why: optional(TEXT) }), MOST_RECIPIENTS),
});

const recipient: Shape<Recipient> = record<Recipient>({
  address: ADDRESS,
  original: ADDRESS,
  orcpt: optional(TEXT),
  notify: integer(0, 15),
});

const detail: Shape<RecipientDetail> = record<RecipientDetail>({
  status: TEXT,
  text: TEXT,
  action: oneOf("failed", "delayed", "delivered", "relayed", "expanded"),
  remoteMta: optional(TEXT),
  diagnosticType: optional(oneOf("smtp", "x-unix", "X-Postfix")),
  diagnostic: optional(TEXT),
  address: optional(TEXT),
  others: optional(list(later(() => detail), MOST_RECIPIENTS)),
});

type StateOf<Is extends RecipientState["is"]> = Extract<RecipientState, { readonly is: Is }>;

const recipientState: Shape<RecipientState> = tagged<RecipientState, "is">("is", {
  pending: record<StateOf<"pending">>({ is: oneOf("pending"), why: optional(detail) }),
  sent: record<StateOf<"sent">>({ is: oneOf("sent"), report: optional(detail) }),
  failed: record<StateOf<"failed">>({ is: oneOf("failed"), report: detail }),
  done: record<StateOf<"done">>({ is: oneOf("done") }),
});

const origin: Shape<Origin> = record<Origin>({
  clientName: optional(TEXT),
  clientAddress: optional(TEXT),
  clientPort: optional(count),
  helo: optional(TEXT),
  protocol: optional(TEXT),
  saslMethod: optional(TEXT),
  saslUsername: optional(TEXT),
  saslSender: optional(TEXT),
  uid: optional(count),
});

/** An envelope without its lists of recipients, which have no bound. */
export type EnvelopeHead = Omit<Envelope, "recipients" | "expanded">;

export const envelopeHead: Shape<EnvelopeHead> = record<EnvelopeHead>({
  id: queueId,
  arrival: finite,
  sender: ADDRESS,
  origin,
  ret: optional(oneOf("FULL", "HDRS")),
  envid: optional(TEXT),
  eightBit: optional(flag),
  smtputf8: optional(flag),
  requireTls: optional(flag),
  tlsNotRequired: optional(flag),
  contentFilter: optional(TEXT),
  hold: optional(flag),
  kind: optional(oneOf("mail", "bounce", "probe")),
  longestLine: optional(count),
  messageId: optional(TEXT),
});

/** A recipient and what is settled about it. */
export interface RecipientWithState {
  readonly recipient: Recipient;
  readonly state: RecipientState;
}

export const recipientWithState: Shape<RecipientWithState> = record<RecipientWithState>({
  recipient,
  state: recipientState,
});
