import type { MaybeAsync } from "../base/maybe_async.ts";
import type { FilterChain } from "../milter/filter_chain.ts";
import type { MacroSource } from "../milter/macros.ts";
import type { Envelope, MessageKind, QueueId } from "../queue/envelope.ts";
import type { ContentAuthentication } from "./authentication/content_authentication.ts";
import type { Reply } from "../smtp/reply.ts";

/** What the submitting service knows before the content comes. */
export interface Submission extends
  Pick<
    Envelope,
    | "id"
    | "arrival"
    | "sender"
    | "recipients"
    | "origin"
    | "ret"
    | "envid"
    | "body"
    | "smtputf8"
    | "requireTls"
    | "tlsNotRequired"
    | "contentFilter"
    | "hold"
    | "verp"
    | "trace"
    | "created"
    | "replaces"
  > {
  /** Accept and throw away (access DISCARD). */
  readonly discard?: boolean;
  readonly redirect?: string;
  readonly bcc?: readonly string[];
  /**
   * Absent for mail that comes in, from the network or from a local user. Given for what is made here (`mail`: forwarded by
   * local(8)): content checks pass it by, but for notices with `bounce` or `notify` in internal_mail_filter_classes.
   */
  readonly kind?: MessageKind;
  /** Header lines put on top, newest first: Received, then PREPENDs. Each ends in CR LF. */
  readonly prepend: readonly string[];
  /** The client may have missing headers completed (local_header_rewrite_clients). */
  readonly completeHeaders: boolean;
  /** Of mail that comes by SMTP: its client's mail is signed (dkim_signing_clients). Local mail is unless this says no. */
  readonly signs?: boolean;
  /** Of the user who submitted, for a missing From:. */
  readonly fullName?: string;
  /** Who submits cannot be told: the refusal of a message for good says for whom it was, so that its sender can be. */
  readonly isReturned?: boolean;
  /** Those who see the content of mail that comes by SMTP (smtpd_milters). */
  readonly milters?: ContentMilters;
  /** Its content is checked (mail_authentication). */
  readonly authentication?: ContentAuthentication;
}

/** Milters of a session, and what macros are worth to them while they look at content. */
export interface ContentMilters {
  readonly chain: FilterChain;
  readonly macros: MacroSource;
}

/** The end of a message. */
export type Committed =
  | { readonly is: "queued"; readonly id: QueueId; readonly size: number }
  | {
    readonly is: "refused";
    readonly reply: Reply;
    /** Of a message that is to be returned (`isReturned`): envelope and header as they would have been in the queue. */
    readonly refused?: { readonly envelope: Envelope; readonly head: Buffer };
  };

/** What end-of-data restrictions ask for when the content is in already (access(5)). Empty = nothing new. */
export interface LateChanges {
  readonly hold?: boolean;
  /** It is held for a limit of the user's. */
  readonly overLimit?: boolean;
  readonly discard?: boolean;
  readonly redirect?: string;
  readonly contentFilter?: string;
  readonly bcc?: readonly string[];
}

/** A message on its way into the queue. Content is wire form: CR LF, dots unstuffed, newlines already made right. */
export interface IncomingMessage {
  /** Bytes of content so far. */
  readonly size: number;
  /** The bytes are the caller's again when it is done. */
  write(bytes: Uint8Array): MaybeAsync<void>;
  /** Resolves only when the message is durably queued, or answers why not. */
  commit(late?: LateChanges): Promise<Committed>;
  abort(): void;
}

/** Makes messages whole (headers, aliases, checks) and commits them (cleanup(8)). */
export interface Cleanup {
  begin(submission: Submission): IncomingMessage;
}
