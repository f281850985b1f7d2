/** What a domain asks to be done with mail that fails (RFC 9989 §4.7). */
export type DmarcPolicy = "none" | "quarantine" | "reject";

/** A DMARC record, with the defaults for what it does not say (RFC 9989 §4.7). */
export interface DmarcRecord {
  readonly p: DmarcPolicy;
  /** For subdomains; `p` where the record has none. */
  readonly sp: DmarcPolicy;
  /** For subdomains that do not exist; `sp` where the record has none. */
  readonly np: DmarcPolicy;
  /** Alignment: relaxed or strict. */
  readonly adkim: "r" | "s";
  readonly aspf: "r" | "s";
  /** Whether the domain is a public suffix; `u` where it does not say. */
  readonly psd: "y" | "n" | "u";
  /** Testing: policies count as one step milder. */
  readonly t: "y" | "n";
  /** Percentage of failing mail that the policy is for (RFC 7489 §6.3): history, but 0 still means testing. */
  readonly pct: number;
  /** Where reports go: URIs as written. */
  readonly rua: readonly string[];
  readonly ruf: readonly string[];
  readonly fo: string;
  /** The record as published, for reports. */
  readonly text: string;
}
