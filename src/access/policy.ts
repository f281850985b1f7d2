import type { MaybeAsync } from "../base/maybe_async.ts";
import type { Reply } from "../smtp/reply.ts";

/** Where in the session a list is evaluated; the word in log lines. */
export type Stage =
  | "CONNECT"
  | "HELO"
  | "EHLO"
  | "MAIL"
  | "RCPT"
  | "DATA"
  | "END-OF-MESSAGE"
  | "VRFY"
  | "ETRN";

/** What is known of the client. Names follow smtpd's attributes: `unknown` where there is no verified name. */
export interface ClientFacts {
  /** Canonical text, IPv4 for v4-mapped; "unknown" only through XCLIENT. */
  readonly address: string;
  readonly port: number;
  /** Verified name, or "unknown". */
  readonly name: string;
  /** Name of the PTR record even if unverified, or "unknown". */
  readonly reverseName: string;
  /** 2 verified, 4 temporary failure, 5 not verified or no name: decides 450 or 550. */
  readonly nameStatus: 2 | 4 | 5;
  readonly reverseNameStatus: 2 | 4 | 5;
}

/** All that restrictions may look at. Addresses are internal form. */
export interface Facts {
  readonly service: string;
  readonly client: ClientFacts;
  /** The local endpoint of the TCP connection. */
  readonly server: { readonly address: string; readonly port: number };
  /** The real TCP peer, before XCLIENT (permit_inet_interfaces). */
  readonly peerAddress: string;
  readonly protocol: "SMTP" | "ESMTP";
  readonly helo?: string;
  /** Undefined before MAIL; "" is the null sender. */
  readonly sender?: string;
  /** As the client wrote it, external form without brackets: used in replies. */
  readonly senderAsGiven?: string;
  readonly recipient?: string;
  readonly recipientAsGiven?: string;
  /** Recipients accepted so far. */
  readonly recipientCount: number;
  /** Message size: SIZE of MAIL, or the real one at END-OF-MESSAGE. */
  readonly size: number;
  readonly queueId?: string;
  readonly saslMethod?: string;
  readonly saslUsername?: string;
  readonly saslSender?: string;
  readonly tls?: { readonly protocol: string; readonly cipher: string; readonly keysize: number };
  readonly etrnDomain?: string;
  /** The client pipelined DATA behind RCPT etc. without permission (reject_unauth_pipelining). */
  readonly pipelinedEarly?: boolean;
  readonly smtputf8?: boolean;
}

/** A side effect that an access action asks for; smtpd carries it out (access(5)). */
export type Effect =
  | { readonly is: "hold" | "discard"; readonly text: string }
  | { readonly is: "redirect" | "filter" | "prepend" | "bcc"; readonly text: string }
  | { readonly is: "delay"; readonly seconds: number };

/** A line for the log that a restriction asked for: WARN, INFO, warn_if_reject, and the line of an effect. */
export interface AccessNote {
  /** The verb of the log line. */
  readonly verb:
    | "warn"
    | "info"
    | "hold"
    | "discard"
    | "redirect"
    | "filter"
    | "bcc"
    | "prepend"
    | "reject_warning"
    | "permit"
    | "delay";
  /** What comes after `VERB: STAGE from CLIENT: `. */
  readonly text: string;
}

/** What a checkpoint decided. */
export interface Decision {
  /** A refusal, or undefined to go on. A 421 or 521 reply also ends the session. */
  readonly refusal?: Reply;
  /** Name of the list and restriction that refused, for metrics (`smtpd_recipient_restrictions/reject_unauth_destination`). */
  readonly refusedBy?: string;
  readonly effects: readonly Effect[];
  readonly notes: readonly AccessNote[];
}

/** Nothing to say: go on. */
export const PASS: Decision = { effects: [], notes: [] };

/** The access policy of one smtpd service, built from its settings. Answers at once unless a table or DNS must be waited for. */
export interface AccessPolicy {
  /**
   * Evaluates what Postfix evaluates at this stage. With smtpd_delay_reject the client, HELO and sender lists run at RCPT
   * (or ETRN, VRFY), in Postfix's order, followed by recipient validation (unlisted senders and recipients).
   */
  check(stage: Stage, facts: Facts): MaybeAsync<Decision>;
}
