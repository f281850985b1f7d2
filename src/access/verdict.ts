import type { AccessNote, Effect } from "./policy.ts";
import type { RestrictionList } from "./restriction.ts";

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
  /** Trouble of ours (configuration, lookup): never turned into a warning by warn_if_reject. */
  readonly trouble?: boolean;
}

/** What a restriction has to say (SMTPD_ACCESS_README), and what the operator should know about its configuration. */
export type Verdict = Decided & { readonly warnings?: readonly string[] };

type Decided =
  | { readonly is: "dunno" }
  /**
   * Go on to the next list. `from` names the table; `counts: false` logs the permit but does not grant it, `logged: false` grants
   * it without a line; `relays: false` grants it only as far as the client or the recipient's domain would have been allowed anyway.
   */
  | {
    readonly is: "permit";
    readonly action: string;
    readonly about: Subject;
    readonly from?: string;
    readonly counts?: false;
    readonly logged?: false;
    readonly relays?: false;
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
    readonly onPermit?: "ignore" | "no relaying" | Refused;
  }
  /** Validate the sender or recipient against the lists of known addresses, once per check. */
  | { readonly is: "unlisted"; readonly whose: "sender" | "recipient" }
  /** Wait, then go on (the `sleep` restriction). */
  | { readonly is: "sleep"; readonly seconds: number };

/** A verdict that refuses. */
export type Refused = Extract<Verdict, { readonly is: "reject" }>;

/** Nothing to say. */
export const DUNNO: Verdict = { is: "dunno" };

/** Nothing to say but that something is wrong with the configuration. */
export function warned(...warnings: string[]): Verdict {
  return { is: "dunno", warnings };
}

/** The verdict with further warnings before its own. */
export function withWarnings(verdict: Verdict, warnings: readonly string[]): Verdict {
  return warnings.length === 0 ? verdict : { ...verdict, warnings: [...warnings, ...verdict.warnings ?? []] };
}

/** A refusal with its parts. */
export function reject(code: number, status: string, text: string): Refused {
  return { is: "reject", refusal: { code, status, text } };
}

/** `<name>: Class rejected: why`. */
export function rejectedText(subject: Subject, why: string): string {
  return `<${subject.name}>: ${subject.class} rejected: ${why}`;
}

/** Postfix's answer to a configuration that cannot be evaluated; the warnings say what is wrong with it. */
export function serverError(...warnings: string[]): Refused {
  const refusal = { code: 451, status: "4.3.5", text: "Server configuration error", trouble: true };
  return { is: "reject", refusal, warnings };
}

/** Postfix's answer when a lookup could not be done now. */
export function lookupFailure(name: string, ...warnings: string[]): Refused {
  const refusal = { code: 451, status: "4.3.0", text: `<${name}>: Temporary lookup failure`, trouble: true };
  return { is: "reject", refusal, warnings };
}
