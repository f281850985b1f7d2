import { readJson } from "../../base/bounded_json.ts";
import { integer, list, Misfit, oneOf, optional, record, type Shape, text } from "../../base/shape.ts";
import { isMxPattern } from "./mx_pattern.ts";
import { LONGEST_AGE, MOST_PATTERNS, type StsMode, type StsPolicy } from "./sts_policy.ts";

/** Why a domain's policy could not be had, by the names that reports give it (RFC 8460 §4.3.2.2). */
export const STS_FAILURES = ["sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"] as const;
export type StsFailure = (typeof STS_FAILURES)[number];

/** The last attempt to fetch a policy, when it failed. */
export interface FailedFetch {
  /** The id that its record had then. */
  readonly id: string;
  readonly at: number;
  readonly failure: StsFailure;
  readonly why: string;
}

/** What is known of a domain. Times are whole seconds since 1970. */
export interface StsEntry {
  /** The last valid policy. */
  readonly policy?: StsPolicy;
  /** The id of the record by which it was found. */
  readonly id: string;
  readonly fetched: number;
  /** When mail was last sent by it, within a day. */
  readonly used: number;
  readonly failed?: FailedFetch;
}

/** The moment at which a policy is no longer in force. */
export function endOfPolicy({ policy, fetched }: StsEntry): number {
  return policy === undefined ? 0 : fetched + policy.maxAge;
}

/** The policy of an entry while it is in force. */
export function policyInForce(entry: StsEntry | undefined, now: number): StsPolicy | undefined {
  return entry !== undefined && now < endOfPolicy(entry) ? entry.policy : undefined;
}

const ENTRY_LIMIT = 64 * 1024;
const seconds = integer(0, Number.MAX_SAFE_INTEGER);
const pattern: Shape<string> = (value) =>
  typeof value === "string" && isMxPattern(value) ? value : new Misfit("a host name");
const mode: Shape<StsMode> = oneOf("enforce", "testing", "none");
const policy = record<StsPolicy>({ mode, mx: list(pattern, MOST_PATTERNS), maxAge: integer(0, LONGEST_AGE) });
const failed = record<FailedFetch>({
  id: text(32),
  at: seconds,
  failure: oneOf(...STS_FAILURES),
  why: text(1000),
});
const entry = record<StsEntry>({
  policy: optional(policy),
  id: text(32),
  fetched: seconds,
  used: seconds,
  failed: optional(failed),
});

/** Reads an entry of the cache; undefined for what is none of ours. */
export function parseStsEntry(value: string): StsEntry | undefined {
  if (value.length > ENTRY_LIMIT) return undefined;
  const read = readJson(value, entry);
  return read instanceof Misfit ? undefined : read;
}

export function printStsEntry(value: StsEntry): string {
  return JSON.stringify(value);
}
