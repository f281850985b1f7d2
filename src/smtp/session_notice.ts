import type { ErrorClass } from "./error_class.ts";

/** A session in which something went wrong, for the postmaster. */
export interface SessionNotice {
  /** Our part in it: `SMTP server`, `SMTP client`, `LMTP client`. */
  readonly role: string;
  /** Whom we spoke to, as the log shows it. */
  readonly peer: string;
  readonly classes: ReadonlySet<ErrorClass>;
  /** What was said, a line each: `In:  EHLO x`, `Out: 250 mail.example.com`. */
  readonly lines: readonly string[];
  /** Why it ended, when it did not end well. */
  readonly reason?: string | undefined;
}

/** Tells the postmaster of sessions (notify_classes). */
export interface SessionPostmaster {
  /** What he wants to hear of; nothing need be kept of a session that can have no trouble of these. */
  readonly wanted: ReadonlySet<ErrorClass>;
  /** Whether mail from that sender may be a notice itself: there is none about the delivery of notices. */
  isNotice(sender: string): boolean;
  /** Sends a notice, some time; one that cannot be sent is logged. Never throws. */
  tell(notice: SessionNotice): void;
}
