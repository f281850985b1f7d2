import { type Address, NULL_ADDRESS } from "../address/address.ts";

/** A queue id, Postfix's short or long form (enable_long_queue_ids). */
export type QueueId = string & { readonly brand: "QueueId" };

/**
 * Kind of message. Absent or `mail`: ordinary mail, as it comes in or is forwarded. What is made here: `bounce`, a notice about
 * delivery; `notify`, a notice about a session, for the postmaster; `probe`, an address verification probe.
 */
export type MessageKind = "mail" | "bounce" | "notify" | "probe";

/** DSN NOTIFY bits (RFC 3461 §4.1); 0 = not given. */
export const NOTIFY = { never: 1, success: 2, failure: 4, delay: 8 } as const;

/** One envelope recipient. Addresses are in internal form: local part unquoted. */
export interface Recipient {
  /** Where it goes now, after rewriting and alias expansion. */
  readonly address: Address;
  /** What the client wrote; equal to `address` where nothing changed it. Log's `orig_to`, X-Original-To. */
  readonly original: Address;
  /** DSN ORCPT, `type;address` decoded; undefined when not given. */
  readonly orcpt?: string;
  /** DSN NOTIFY bits; 0 = not given. */
  readonly notify: number;
}

/**
 * Who handed the message over, or whom that one tells of (XFORWARD); feeds `%{client}` attributes, XFORWARD, log lines. What is not
 * available there is "unknown". All absent for local submission.
 */
export interface Origin {
  readonly clientName?: string;
  readonly clientAddress?: string;
  readonly clientPort?: number;
  readonly helo?: string;
  /** SMTP or ESMTP, or what XFORWARD PROTO says. */
  readonly protocol?: string;
  /** The id that it had where it was queued before, as that server says (XFORWARD IDENT). */
  readonly ident?: string;
  /** Whether it comes from here, as far as header rewriting goes (XFORWARD SOURCE). */
  readonly source?: "LOCAL" | "REMOTE";
  readonly saslMethod?: string;
  readonly saslUsername?: string;
  readonly saslSender?: string;
  /** Numeric user id of a local submitter. */
  readonly uid?: number;
}

/** All that the queue keeps about a message beside its content and the recipients' states. */
export interface Envelope {
  readonly id: QueueId;
  /** Arrival, milliseconds since 1970. */
  readonly arrival: number;
  /** Internal form; "" is the null sender. */
  readonly sender: Address;
  readonly recipients: readonly Recipient[];
  /** Aliases that became some of the recipients and asked for a success notice: reported as expanded (RFC 3461 §5.2.7.2). */
  readonly expanded?: readonly Recipient[];
  readonly origin: Origin;
  /** DSN RET; undefined when not given. */
  readonly ret?: "FULL" | "HDRS";
  /** DSN ENVID, decoded. */
  readonly envid?: string;
  /** What was declared of the content: by BODY (RFC 6152), or by a header (detect_8bit_encoding_header). */
  readonly body?: "7BIT" | "8BITMIME";
  /** There are 8-bit bytes in the content. */
  readonly eightBit?: boolean;
  /** MAIL with SMTPUTF8. */
  readonly smtputf8?: boolean;
  /** MAIL with REQUIRETLS: each server on the way must be the right one, and promise the same (RFC 8689 §4). */
  readonly requireTls?: boolean;
  /** `TLS-Required: no`: better without TLS than not at all (RFC 8689 §5). REQUIRETLS overrules it. */
  readonly tlsNotRequired?: boolean;
  /** Access FILTER or content_filter: `transport:nexthop`. */
  readonly contentFilter?: string;
  /** Access HOLD: enters the hold queue instead of incoming. */
  readonly hold?: boolean;
  /** It was held for a sending limit of the user's (`mta user release`). */
  readonly overLimit?: boolean;
  /**
   * When it came into the queue, where that is not its arrival: it went through cleanup(8) again (postsuper(1) -r). How long it may stay,
   * and how long it waits for the next attempt, counts from here.
   */
  readonly created?: number;
  /** The message whose place it took then. */
  readonly replaces?: QueueId;
  /** Its header was completed like our own mail's (local_header_rewrite_clients), and is if it goes through cleanup(8) again. */
  readonly completeHeaders?: boolean;
  readonly kind?: MessageKind;
  /** VERP: the two delimiters with which each recipient's copy goes out under a sender that names the recipient (VERP_README). */
  readonly verp?: string;
  /**
   * The sender wants a report (sendmail(1)): of what would happen, and nothing is delivered (`verify`, `-bv`), or of the first attempt
   * at delivery (`record`, `-v`).
   */
  readonly trace?: "verify" | "record";
  /** Longest line of the content in bytes, CRLF not counted; lets delivery skip the scan for over-long lines. */
  readonly longestLine?: number;
  /** Message-ID header value with its angle brackets, for threaded bounces and logs. */
  readonly messageId?: string;
}

/** Whether a message only asks what would become of it: nothing of it may be delivered. */
export function onlyAsks({ kind, trace }: Pick<Envelope, "kind" | "trace">): boolean {
  return kind === "probe" || trace === "verify";
}

/** What an expansion passes on of NOTIFY: whoever asked for success gets it for the expansion, not from what it leads to (RFC 3461 §5.2.7). */
export function passedNotify(notify: number): number {
  if (notify === 0) return 0;
  const rest = notify & ~NOTIFY.success;
  return rest === 0 ? NOTIFY.never : rest;
}

/** A recipient as a member of the list that it is: nobody has called it otherwise (RFC 3461 §5.2.7.3). */
export function memberOf(recipient: Recipient): Recipient {
  return { ...recipient, original: NULL_ADDRESS, orcpt: undefined, notify: passedNotify(recipient.notify) };
}
