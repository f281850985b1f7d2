/** What one receiver found in a day's mail of a domain (RFC 9990 §3.1, RFC 7489 appendix C). Words are as the reporter wrote them. */
export interface AggregateReport {
  /** The reporter's name. */
  readonly organization: string;
  readonly email: string;
  readonly contact?: string | undefined;
  readonly id: string;
  /** Seconds since 1970. */
  readonly begin: number;
  readonly end: number;
  /** What the reporter found wrong with the domain's record. */
  readonly errors: readonly string[];
  readonly generator?: string | undefined;
  readonly policy: ReportedPolicy;
  readonly records: readonly ReportedRecord[];
}

/** The policy that the reporter found. */
export interface ReportedPolicy {
  readonly domain: string;
  readonly adkim?: string | undefined;
  readonly aspf?: string | undefined;
  readonly p: string;
  readonly sp?: string | undefined;
  readonly np?: string | undefined;
  /** Only in reports of RFC 7489. */
  readonly pct?: string | undefined;
  readonly fo?: string | undefined;
  /** Only in reports of RFC 9990. */
  readonly testing?: string | undefined;
  readonly discovery?: string | undefined;
}

/** So many messages with the same source, identities and results. */
export interface ReportedRecord {
  readonly sourceIp: string;
  readonly count: number;
  readonly disposition: string;
  /** "pass" where the result is for a domain that fits the one in From:. */
  readonly dkim: string;
  readonly spf: string;
  readonly reasons: readonly { readonly type: string; readonly comment?: string | undefined }[];
  readonly headerFrom: string;
  readonly envelopeFrom?: string | undefined;
  readonly envelopeTo?: string | undefined;
  readonly signatures: readonly ReportedSignature[];
  readonly senders: readonly ReportedSender[];
}

/** A DKIM result, whatever DMARC made of it. */
export interface ReportedSignature {
  readonly domain: string;
  readonly selector?: string | undefined;
  readonly result: string;
  readonly detail?: string | undefined;
}

/** An SPF result, whatever DMARC made of it. */
export interface ReportedSender {
  readonly domain: string;
  readonly scope?: string | undefined;
  readonly result: string;
  readonly detail?: string | undefined;
}
