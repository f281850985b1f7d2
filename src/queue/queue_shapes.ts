import {
  count,
  type FieldShapes,
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
import type { ListedRecipient, QueueCounts, QueueListing, QueueName, RecipientState } from "./store.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";

/** Longest text of a message's facts: an address or a reply. Lines of the protocols that carry them have a limit too. */
const LONG = 512 * 1024;
const TEXT = text(LONG);
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

export const queueListing: Shape<QueueListing> = record<QueueListing>({
  id: queueId,
  queue: queueName,
  arrival: finite,
  size: count,
  sender: TEXT,
  forcedExpire: flag,
  due: optional(finite),
  recipients: list(
    record<ListedRecipient>({
      address: TEXT,
      original: optional(TEXT),
      why: optional(TEXT),
      status: optional(TEXT),
    }),
    MOST_RECIPIENTS,
  ),
});

type StateOf<Is extends RecipientState["is"]> = Extract<RecipientState, { readonly is: Is }>;

/** An envelope without its lists of recipients, which have no bound. */
export type EnvelopeHead = Omit<Envelope, "recipients" | "expanded">;

const addressOf = (words: Shape<string>): Shape<Address> => (value) => {
  const given = words(value);
  return given instanceof Misfit ? given : internalAddress(given);
};

function detailOf(words: Shape<string>, most: number): Shape<RecipientDetail> {
  const detail: Shape<RecipientDetail> = record<RecipientDetail>({
    status: words,
    text: words,
    action: oneOf(
      "failed",
      "delayed",
      "delivered",
      "relayed",
      "expanded",
      "deliverable",
      "undeliverable",
    ),
    remoteMta: optional(words),
    diagnosticType: optional(oneOf("smtp", "x-unix", "X-Postfix")),
    diagnostic: optional(words),
    address: optional(words),
    owner: optional(words),
    member: optional(oneOf(true)),
    others: optional(list(later(() => detail), most)),
  });
  return detail;
}

const stateOf = (detail: Shape<RecipientDetail>): Shape<RecipientState> =>
  tagged<RecipientState, "is">("is", {
    pending: record<StateOf<"pending">>({ is: oneOf("pending"), why: optional(detail) }),
    sent: record<StateOf<"sent">>({ is: oneOf("sent"), report: optional(detail) }),
    failed: record<StateOf<"failed">>({ is: oneOf("failed"), report: detail }),
    done: record<StateOf<"done">>({ is: oneOf("done") }),
  });

const originOf = (words: Shape<string>): Shape<Origin> =>
  record<Origin>({
    clientName: optional(words),
    clientAddress: optional(words),
    clientPort: optional(count),
    helo: optional(words),
    protocol: optional(words),
    ident: optional(words),
    source: optional(oneOf("LOCAL", "REMOTE")),
    saslMethod: optional(words),
    saslUsername: optional(words),
    saslSender: optional(words),
    uid: optional(count),
  });

const headOf = (words: Shape<string>): FieldShapes<EnvelopeHead> => ({
  id: queueId,
  arrival: finite,
  sender: addressOf(words),
  origin: originOf(words),
  ret: optional(oneOf("FULL", "HDRS")),
  envid: optional(words),
  body: optional(oneOf("7BIT", "8BITMIME")),
  eightBit: optional(flag),
  smtputf8: optional(flag),
  requireTls: optional(flag),
  tlsNotRequired: optional(flag),
  contentFilter: optional(words),
  hold: optional(flag),
  overLimit: optional(flag),
  kind: optional(oneOf("mail", "bounce", "notify", "probe")),
  verp: optional(words),
  trace: optional(oneOf("verify", "record")),
  created: optional(finite),
  replaces: optional(queueId),
  completeHeaders: optional(flag),
  longestLine: optional(count),
  messageId: optional(words),
});

/** The parts of a message, with texts and lists of so much at most. */
function messageShapes(longest: number, most: number) {
  const words = text(longest);
  const recipient: Shape<Recipient> = record<Recipient>({
    address: addressOf(words),
    original: addressOf(words),
    orcpt: optional(words),
    notify: integer(0, 15),
  });
  return { recipient, state: stateOf(detailOf(words, most)), head: headOf(words) };
}
const BOUNDED = messageShapes(LONG, MOST_RECIPIENTS);
/** Of what we have stored: whatever was taken can be read again. */
const STORED = messageShapes(Infinity, Infinity);

export const envelopeHead: Shape<EnvelopeHead> = record<EnvelopeHead>(BOUNDED.head);

/** An envelope as it is stored. */
export const storedEnvelope: Shape<Envelope> = record<Envelope>({
  ...STORED.head,
  recipients: list(STORED.recipient, Infinity),
  expanded: optional(list(STORED.recipient, Infinity)),
});

/** What is settled about a recipient, as it is stored. */
export const storedState: Shape<RecipientState> = STORED.state;

/** A recipient and what is settled about it. */
export interface RecipientWithState {
  readonly recipient: Recipient;
  readonly state: RecipientState;
}

export const recipientWithState: Shape<RecipientWithState> = record<RecipientWithState>({
  recipient: BOUNDED.recipient,
  state: BOUNDED.state,
});
