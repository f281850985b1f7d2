import {
  count,
  flag,
  list,
  Misfit,
  oneOf,
  optional,
  record,
  type Shape,
  tagged,
  text,
} from "../../base/shape.ts";
import {
  type EnvelopeHead,
  envelopeHead,
  queueListing,
  queueName,
  type RecipientWithState,
  recipientWithState,
} from "../../queue/queue_shapes.ts";
import type { QueueListing, QueueName } from "../../queue/store.ts";

/** A message of the queue listing. One with many recipients takes several rows, all but the first `continued`. */
export interface QueueRow extends QueueListing {
  readonly continued?: boolean;
}

const continuation = record<{ readonly continued?: boolean }>({ continued: optional(flag) });

export const queueRow: Shape<QueueRow> = (value) => {
  const [row, more] = [queueListing(value), continuation(value)];
  if (row instanceof Misfit) return row;
  return more instanceof Misfit ? more : { ...row, ...more };
};

/** A piece of a message of the queue (postcat(1)): the envelope first, then recipients, then the content. */
export type MessagePiece =
  | {
    readonly is: "envelope";
    readonly envelope: EnvelopeHead;
    readonly queue: QueueName;
    /** Bytes of the content, and how many recipients follow. */
    readonly size: number;
    readonly recipients: number;
  }
  | { readonly is: "recipients"; readonly recipients: readonly RecipientWithState[] }
  | { readonly is: "content"; readonly base64: string };

type PieceOf<Is extends MessagePiece["is"]> = Extract<MessagePiece, { readonly is: Is }>;

export const messagePiece: Shape<MessagePiece> = tagged<MessagePiece, "is">("is", {
  envelope: record<PieceOf<"envelope">>({
    is: oneOf("envelope"),
    envelope: envelopeHead,
    queue: queueName,
    size: count,
    recipients: count,
  }),
  recipients: record<PieceOf<"recipients">>({
    is: oneOf("recipients"),
    recipients: list(recipientWithState, 1000),
  }),
  content: record<PieceOf<"content">>({ is: oneOf("content"), base64: text(128 * 1024) }),
});
