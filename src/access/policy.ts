import type { MaybeAsync } from "../base/maybe_async.ts";
import type { DkimResult } from "../mailauth/dkim/dkim_result.ts";
import type { DmarcResult } from "../mailauth/dmarc/dmarc_result.ts";
import type { SpfResult } from "../mailauth/spf/spf_result.ts";
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
  /** There is a name, and it leads to other addresses. */
  readonly forged?: true;
}

/** What checks of a message's content have said (mail_authentication). */
export interface CheckedContent {
  readonly dkim: readonly DkimResult[];
  readonly dmarc: DmarcResult;
  /** Whose word makes a message that fails DMARC one that passes (trusted_forwarders). */
  readonly passesBy?: string;
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
  readonly recipient?: string;
  /** Recipients accepted so far. */
  readonly recipientCount: number;
  /** Message size: SIZE of MAIL, or the real one at END-OF-MESSAGE. */
  readonly size: number;
  readonly queueId?: string;
  /** At END-OF-MESSAGE, of a client whose mail is checked. */
  readonly content?: CheckedContent;
  readonly saslMethod?: string;
  readonly saslUsername?: string;
  readonly saslSender?: string;
  readonly tls?: {
    readonly protocol: string;
    readonly cipher: string;
    readonly keysize: number;
    /** The client's certificate, when it sent one. */
    readonly peer?: ClientCertificate;
  };
  readonly etrnDomain?: string;
  /** The client pipelined DATA behind RCPT etc. without permission (reject_unauth_pipelining). */
  readonly pipelinedEarly?: boolean;
  readonly smtputf8?: boolean;
  /** An earlier check of this transaction answered DISCARD: everything that follows is accepted (access(5)). */
  readonly discarding?: boolean;
  /** An earlier check of this transaction answered HOLD: it is noted once. */
  readonly held?: boolean;
  /** The command in hand; CONNECT checks are also made for a client that XCLIENT makes, and policy servers are told. */
  readonly where?: string;
  /** The session runs under stress: all slots of its service were taken when it began (STRESS_README). */
  readonly stressed?: boolean;
  /** The policy protocol's `instance`: one text per delivery request; made up when absent. */
  readonly instance?: string;
}

/** A client certificate as access rules see it (permit_tls_clientcerts, check_ccert_access, policy protocol). */
export interface ClientCertificate {
  /** Verified against smtpd_tls_CAfile and its kin. */
  readonly trusted: boolean;
  /** By smtpd_tls_fingerprint_digest, upper-case hex with colons. */
  readonly fingerprint: string;
  readonly publicKeyFingerprint: string;
  readonly subject: string;
  readonly issuer: string;
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

/** What a checkpoint decided. Effects count even when the recipient is refused: they belong to the transaction. */
export interface Decision {
  /** A refusal, or undefined to go on. A 421 or 521 reply also ends the session. */
  readonly refusal?: Reply;
  /** Name of the list and restriction that refused, for metrics (`smtpd_recipient_restrictions/reject_unauth_destination`). */
  readonly refusedBy?: string;
  readonly effects: readonly Effect[];
  readonly notes: readonly AccessNote[];
  /** Configuration trouble met on the way; each is a line of level warning. */
  readonly warnings?: readonly string[];
}

/** Nothing to say: go on. */
export const PASS: Decision = { effects: [], notes: [] };

/** A list whose evaluation begins. */
export interface TraceList {
  /** `smtpd_recipient_restrictions`, a restriction class, or the table whose result named restrictions. */
  readonly list: string;
  /** Nesting: 1 for a parameter's own list. */
  readonly depth: number;
  /** Its restrictions as written, reached or not. */
  readonly restrictions: readonly string[];
}

/** One step of an evaluation, for `mta explain`: what was tried and what came of it. */
export interface TraceStep {
  readonly list: string;
  /** As written: `check_recipient_access hash:/etc/postfix/recipient_access`. */
  readonly restriction: string;
  readonly depth: number;
  /** What the restriction itself says; what was deferred or only warned about before may change the outcome. */
  readonly verdict: "permit" | "reject" | "defer_if_permit" | "defer_if_reject" | "dunno";
  readonly reply?: Reply;
  /** warn_if_reject is in force: a refusal is only logged. */
  readonly warn?: true;
  /** The permit is logged, not granted: the address would be routed on from here (allow_untrusted_routing). */
  readonly ignored?: true;
  /** The list that is evaluated in place: a class, or restrictions that a table named. */
  readonly applies?: string;
  readonly effect?: Effect;
  readonly note?: AccessNote;
  /** Seconds of `sleep`. */
  readonly sleep?: number;
}

/** Hears how an evaluation goes. What a step looked up, the tables, lists and resolver that the policy was built with know. */
export interface Tracer {
  readonly list?: (begun: TraceList) => void;
  readonly step: (step: TraceStep) => void;
}

/** Which rules complete the headers of a client's mail (local_header_rewrite_clients). */
export type HeaderContext =
  | { readonly is: "local" }
  | { readonly is: "remote" }
  | { readonly is: "trouble"; readonly refusal: Reply };

/** Whether a client's mail is signed (dkim_signing_clients); a refusal says that it cannot be told now. */
export interface SigningAnswer {
  readonly signs: boolean;
  readonly refusal?: Reply;
  /** Configuration trouble met on the way; each is a line of level warning. */
  readonly warnings?: readonly string[];
}

/** Whether a client's mail is checked (mail_authentication_exempt). */
export interface CheckingAnswer {
  readonly checks: boolean;
  /** Configuration trouble met on the way; each is a line of level warning. */
  readonly warnings?: readonly string[];
}

/** A flaw of the configuration found while the policy was built. */
export interface PolicyProblem {
  /** `fatal`: the service must not start. */
  readonly level: "fatal" | "warning";
  /** Parameter that the flaw is in. */
  readonly parameter: string;
  readonly text: string;
}

/** The policy of one session: it remembers what an earlier stage wants deferred (smtpd_delay_reject = no). */
export interface SessionPolicy {
  /**
   * Evaluates what Postfix evaluates at this stage. With smtpd_delay_reject the client, HELO and sender lists run at RCPT
   * (or ETRN, VRFY), in Postfix's order, followed by recipient validation (unlisted senders and recipients).
   */
  check(stage: Stage, facts: Facts, trace?: Tracer): MaybeAsync<Decision>;
  /** What SPF says of the client in its transaction: looked up once, whoever asks. Undefined before MAIL. */
  spf(facts: Facts): MaybeAsync<SpfResult> | undefined;
}

/** The access policy of one smtpd service, built from its settings. Answers at once unless a table or DNS must be waited for. */
export interface AccessPolicy {
  /** The policy of a session that begins: a client that has connected, or one that XCLIENT makes. */
  open(): SessionPolicy;
  /** Whether mail could go to an address of MAIL or RCPT at all; if not, the command is a syntax error (501 5.1.7, 5.1.3). */
  acceptsAddress(address: string, other: string | undefined, smtputf8: boolean): MaybeAsync<boolean>;
  /** At MAIL: whether this client's headers are completed like our own (cleanup's `completeHeaders`). */
  headerContext(facts: Facts): MaybeAsync<HeaderContext>;
  /** At MAIL: whether this client's mail is signed by DKIM; undefined where none is. */
  readonly signs?: (facts: Facts) => MaybeAsync<SigningAnswer>;
  /** At MAIL: whether the content of this client's mail is checked; undefined where none is (mail_authentication). */
  readonly checksContent?: (facts: Facts) => MaybeAsync<CheckingAnswer>;
  /** What `mta check` says about the restriction lists; a `fatal` one forbids to serve. */
  readonly problems: readonly PolicyProblem[];
  /** Releases tables and connections. */
  close(): void;
}
