import type { StsFailure } from "./sts/sts_entry.ts";

/** What can be wrong with a policy that a table tells of (TLSRPT_README). */
export const POLICY_FAILURES = [
  "sts-policy-fetch-error",
  "sts-policy-invalid",
  "sts-webpki-invalid",
  "validation-failure",
] as const satisfies readonly (StsFailure | "validation-failure")[];

export type PolicyFailure = (typeof POLICY_FAILURES)[number];

/** What a domain has published of its demands, as a policy table tells of it or as we have found it ourselves. */
export interface PublishedPolicy {
  readonly type: "sts" | "no-policy-found";
  readonly domain: string;
  /** Its lines, for reports. */
  readonly strings: readonly string[];
  /** Names of the hosts that may take the domain's mail; `*.` is one label. */
  readonly mxHosts: readonly string[];
  /** Why it could not be had. In a table it means that no certificate is good enough. */
  readonly failure?: PolicyFailure;
  /** We have found it, and what it asks for; a table has said itself what level follows. */
  readonly own?: "enforce" | "testing" | "failed";
}
