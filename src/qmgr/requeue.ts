import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { Envelope } from "../queue/envelope.ts";
import type { Content } from "../queue/store.ts";

/** A message that is to go through cleanup(8) again. */
export interface RequeuedMessage {
  readonly envelope: Envelope;
  readonly content: Content;
  /** Indexes of the recipients that are still to be delivered to. */
  readonly pending: readonly number[];
}

/** What became of it. */
export type Requeued =
  /** Another message has its place, or nobody is left to deliver it to. */
  | { readonly is: "done" }
  /** It is not what cleanup(8) takes: it goes back to the sender. */
  | { readonly is: "refused"; readonly detail: RecipientDetail }
  /** As it was; it is tried again. */
  | { readonly is: "later" };

/** Sends a message through cleanup(8) again. Never both messages are in the queue, and never none. */
export type Requeue = (message: RequeuedMessage) => Promise<Requeued>;
