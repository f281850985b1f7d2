import type { Envelope, Recipient } from "../queue/envelope.ts";
import type { Content } from "../queue/store.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";

/** A recipient and what became of it, for a notice. */
export interface ReportedRecipient {
  readonly recipient: Recipient;
  readonly detail: RecipientDetail;
}

/** The message that a notice is about. */
export interface NoticeSubject {
  readonly envelope: Envelope;
  readonly content: Content;
}

/**
 * Tells senders and postmasters what became of mail (bounce(8)). Each answers true when every notice that was due is durably
 * queued, or none was due; false when not: then the caller keeps the message and asks again later.
 */
export interface Bouncer {
  failed(subject: NoticeSubject, entries: readonly ReportedRecipient[]): Promise<boolean>;
  delayed(subject: NoticeSubject, entries: readonly ReportedRecipient[]): Promise<boolean>;
  succeeded(subject: NoticeSubject, entries: readonly ReportedRecipient[]): Promise<boolean>;
  /** The report that the sender asked for: what would happen, or what has (sendmail -bv, -v). */
  traced(subject: NoticeSubject, entries: readonly ReportedRecipient[]): Promise<boolean>;
}
