import type { ErrorClass } from "../smtp/error_class.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { SpfResult } from "../mailauth/spf/spf_result.ts";
import type { Resolution } from "../routing/route.ts";
import type { AccessNote, Effect, Facts, Stage } from "./policy.ts";

/** What is being judged, in the words of a refusal: `<name>: Class rejected: why`. */
export type SubjectClass =
  | "Client host"
  | "Unverified Client host"
  | "Client certificate"
  | "SASL login name"
  | "Helo command"
  | "Sender address"
  | "Recipient address"
  | "Data command"
  | "End-of-data"
  | "Author domain"
  | "DKIM signature"
  | "Etrn command";

/** Whom a restriction list or a table lookup is about. */
export interface Subject {
  readonly name: string;
  readonly class: SubjectClass;
}

/** A refusal before it becomes a reply: the walker may soften it, warn instead, or keep it for later. */
export interface Refusal {
  readonly code: number;
  /** Enhanced status; its class digit follows the code in the end. */
  readonly status: string;
  readonly text: string;
  /** What kind of trouble it is (notify_classes); `policy` when left out. Our own is never turned into a warning by warn_if_reject. */
  readonly errorClass?: ErrorClass;
}

/** What a restriction has to say (SMTPD_ACCESS_README), and what the operator should know about its configuration. */
export type Verdict = Decided & { readonly warnings?: readonly string[] };

type Decided =
  | { readonly is: "dunno" }
  /**
   * Go on to the next list. `from` names the table; `counts: false` logs the permit but does not grant it, `logged: false` grants
   * it without a line; `noRelaying` grants it only as far as the client or the recipient's domain would have been allowed anyway, and
   * names the rule that has it so.
   */
  | {
    readonly is: "permit";
    readonly action: string;
    readonly about: Subject;
    readonly from?: string;
    readonly counts?: false;
    readonly logged?: false;
    readonly noRelaying?: string;
  }
  /** `denied`: the permit that a table gave where none may be given; it is logged all the same. */
  | {
    readonly is: "reject";
    readonly refusal: Refusal;
    readonly denied?: Extract<Verdict, { readonly is: "permit" }>;
  }
  | { readonly is: "defer_if_permit" | "defer_if_reject"; readonly refusal: Refusal }
  /** Something to log or to do, then on to what follows; `permit` for DISCARD. */
  | {
    readonly is: "act";
    readonly note?: AccessNote;
    readonly effect?: Effect;
    readonly permit?: Extract<Verdict, { readonly is: "permit" }>;
  }
  /** Evaluate another list in place: a restriction class, or restrictions named by a table. */
  | {
    readonly is: "apply";
    readonly list: RestrictionList;
    readonly about: Subject;
    /** What a permit of that list is worth: nothing for a routed recipient, an error for what a client can forge. */
    readonly onPermit?: "ignore" | NoRelaying | Refused;
  }
  /** Validate the sender or recipient against the lists of known addresses, once per check. */
  | { readonly is: "unlisted"; readonly whose: "sender" | "recipient" }
  /** Wait, then go on (the `sleep` restriction). */
  | { readonly is: "sleep"; readonly seconds: number };

/** A permit that is no leave to relay, by this rule. */
export interface NoRelaying {
  readonly is: "no relaying";
  readonly rule: string;
}

/** A verdict that refuses. */
export type Refused = Extract<Verdict, { readonly is: "reject" }>;

/** What a restriction may look at: the facts, and what it is evaluated for. */
export interface Query {
  readonly facts: Facts;
  readonly stage: Stage;
  /** What the list at hand is about. */
  readonly about: Subject;
  /** An address by the resolver; asked once per check for each pair. */
  resolve(other: string | undefined, address: string): MaybeAsync<Resolution>;
  /** What SPF says of the client in this transaction; undefined before MAIL. */
  spf(): MaybeAsync<SpfResult | undefined>;
}

/** Facts in, verdict out: writes nothing, logs nothing, closes nothing. */
export type Restriction = (query: Query) => MaybeAsync<Verdict>;

/** The checks that a bare `type:table` may stand for, by the list it is in. */
export type DefaultCheck =
  | "check_client_access"
  | "check_helo_access"
  | "check_sender_access"
  | "check_recipient_access"
  | "check_etrn_access";

/** One item of a restriction list. */
export interface Step {
  /** As written, argument included. */
  readonly name: string;
  /** Preceded by warn_if_reject: what it refuses is only logged. */
  readonly warn: boolean;
  readonly evaluate: Restriction;
  /** What it can do for an outside client that wants to relay. */
  readonly relayEffect: RelayEffect;
}

/** A restriction list, ready to be evaluated. */
export interface RestrictionList {
  /** Parameter, restriction class, or the table whose result it is. */
  readonly name: string;
  readonly steps: readonly Step[];
}

/** What a session must have for a restriction to let it through; the rest is as it pleases. */
export type Want =
  & Partial<Pick<Facts, "sender" | "recipient" | "helo" | "tls" | "saslUsername" | "saslMethod">>
  & {
    readonly client?: Partial<Facts["client"]>;
  };

/** How surely the operator has named who may pass: beyond doubt, or in a way that deserves a second look. */
export type Stated = "surely" | "loosely";

/** What an access table is asked about. */
export type AskedAbout = "client" | "helo" | "sender" | "recipient" | "certificate" | "spf";

/**
 * What a restriction can do for a stranger: a client outside mynetworks, not logged in and without a certificate that anybody
 * vouches for, who writes to a recipient whom we are no destination for. He says what he likes in HELO and MAIL, and his
 * address has what name he likes, but no foreign one that also leads back to him.
 */
export type RelayEffect =
  /** Never lets him through; it may refuse him. */
  | { readonly is: "never" }
  /** Refuses him, whatever he says; by its recipient, wherever it knows him; by deferral, in the lists for recipients and data. */
  | {
    readonly is: "closes";
    readonly by?: "recipient" | "deferral"; /** Who is excepted by name. */
    readonly unless?: string;
  }
  | { readonly is: "permits" }
  /** What mynetworks has lets itself through: a stranger only where it has the whole internet. */
  | { readonly is: "networks" }
  /** Lets mail to our own and relay domains through: foreign ones only where relay_domains has the whole internet. */
  | { readonly is: "destination" }
  /** The results of an access table decide. */
  | { readonly is: "asks"; readonly spec: string; readonly about: AskedAbout }
  /** Lets a session through that is like this; `stated`: the operator has named who may have such a session. */
  | { readonly is: "session"; readonly want: Want; readonly text: string; readonly stated?: Stated }
  /** The same, if the restriction permits that session when it is asked. */
  | { readonly is: "tried"; readonly want: Want; readonly text: string }
  /** Somebody else decides, whom nobody can ask beforehand. */
  | { readonly is: "unknown"; readonly why: string }
  /** Another list decides. */
  | { readonly is: "list"; readonly list: () => RestrictionList };
