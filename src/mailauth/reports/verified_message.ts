/** What a domain asks to be done with mail that fails (RFC 9989 §4.7, `p`, `sp`, `np`). */
export type PolicyWord = "none" | "quarantine" | "reject";

/** What was done with a message because of DMARC (RFC 9990 §3.1.1.9): "pass" is what passed where failing would have counted. */
export type Disposition = PolicyWord | "pass";

/** Why something else was done than the domain asked for (RFC 9990 §3.1.6). */
export type OverrideType =
  | "local_policy"
  | "mailing_list"
  | "other"
  | "policy_test_mode"
  | "trusted_forwarder";

/** One reason, with words for people. */
export interface OverrideReason {
  readonly type: OverrideType;
  readonly comment?: string | undefined;
}

/** The policy record that held for a message, defaults filled in. */
export interface PublishedPolicy {
  /** Where the record was found, without `_dmarc.`: an A-label in lower case. */
  readonly domain: string;
  readonly p: PolicyWord;
  readonly sp?: PolicyWord | undefined;
  readonly np?: PolicyWord | undefined;
  readonly adkim: "r" | "s";
  readonly aspf: "r" | "s";
  readonly fo?: string | undefined;
  /** `t=y`. */
  readonly testing: boolean;
  readonly discovery: "treewalk" | "psl";
  /** Whether it names places for aggregate reports: without them nothing is counted. */
  readonly hasRua: boolean;
}

/** One signature and what became of it; the word is that of RFC 8601 §2.7.1. */
export interface ReportedDkim {
  readonly domain: string;
  readonly selector: string;
  readonly result: "none" | "pass" | "fail" | "policy" | "neutral" | "temperror" | "permerror";
}

/** The word is that of RFC 8601 §2.7.2. */
export interface ReportedSpf {
  readonly domain: string;
  readonly result: "none" | "neutral" | "pass" | "fail" | "softfail" | "policy" | "temperror" | "permerror";
}

/** What an aggregate report says of a message: the facts of its verification, once per message. */
export interface VerifiedMessage {
  readonly sourceIp: string;
  /** Domain of From: an A-label in lower case. */
  readonly headerFrom: string;
  /** Domain of MAIL FROM; "" for the null sender. */
  readonly envelopeFrom: string;
  readonly policy: PublishedPolicy;
  readonly disposition: Disposition;
  /** What DMARC made of SPF and DKIM: passed, and for a domain that fits the one in From. */
  readonly aligned: { readonly dkim: boolean; readonly spf: boolean };
  readonly reasons: readonly OverrideReason[];
  readonly dkim: readonly ReportedDkim[];
  readonly spf?: ReportedSpf | undefined;
  /** The message is itself an aggregate report by its Subject (`isReportSubject`): where it passes it is not counted. */
  readonly isReport?: boolean | undefined;
}

/** Who is told of each verified message. Never fails, and waits for nothing. */
export type OnVerified = (message: VerifiedMessage) => void;

/** Whether a Subject is that of an aggregate report (RFC 9990 §3.5.2). */
export function isReportSubject(subject: string): boolean {
  return /^\s*Report\s+Domain:\s+\S+\s+Submitter:\s/i.test(subject);
}
