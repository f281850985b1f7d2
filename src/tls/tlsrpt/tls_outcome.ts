import { readJson } from "../../base/bounded_json.ts";
import { list, Misfit, oneOf, optional, record, text } from "../../base/shape.ts";

/** What can go wrong with TLS, by the names of RFC 8460 §4.3. */
export const RESULT_TYPES = [
  "starttls-not-supported",
  "certificate-host-mismatch",
  "certificate-expired",
  "certificate-not-trusted",
  "validation-failure",
  "tlsa-invalid",
  "dnssec-invalid",
  "dane-required",
  "sts-policy-fetch-error",
  "sts-policy-invalid",
  "sts-webpki-invalid",
] as const;
export type ResultType = (typeof RESULT_TYPES)[number];

/** What a domain demands, as far as it was found (RFC 8460 §4.2). */
export interface AppliedPolicy {
  readonly type: "tlsa" | "sts" | "no-policy-found";
  readonly domain: string;
  /** TLSA records as text, or the lines of an MTA-STS policy. */
  readonly strings?: readonly string[] | undefined;
  /** `mx` patterns of an MTA-STS policy. */
  readonly mxHosts?: readonly string[] | undefined;
}

/** How one session failed (RFC 8460 §4.4). */
export interface SessionFailure {
  readonly type: ResultType;
  /** More precisely, for machines. */
  readonly reason?: string | undefined;
  readonly sendingIp?: string | undefined;
  readonly mx?: string | undefined;
  readonly helo?: string | undefined;
  readonly receivingIp?: string | undefined;
}

/** What became of TLS in one session. */
export interface TlsOutcome {
  readonly policy: AppliedPolicy;
  /** Undefined when all was as it should be. */
  readonly failure?: SessionFailure | undefined;
}

/** Longest texts and lists that are counted; what a peer says is cut to it. */
const [LONGEST, MOST] = [500, 100];

const policy = record<AppliedPolicy>({
  type: oneOf("tlsa", "sts", "no-policy-found"),
  domain: text(LONGEST),
  strings: optional(list(text(LONGEST), MOST)),
  mxHosts: optional(list(text(LONGEST), MOST)),
});
const failure = record<SessionFailure>({
  type: oneOf(...RESULT_TYPES),
  reason: optional(text(LONGEST)),
  sendingIp: optional(text(LONGEST)),
  mx: optional(text(LONGEST)),
  helo: optional(text(LONGEST)),
  receivingIp: optional(text(LONGEST)),
});
const outcome = record<TlsOutcome>({ policy, failure: optional(failure) });

/** Longest text of an outcome; what a domain has published is left out where it is longer. */
const KEY_LIMIT = 4096;

/** One text for all outcomes that are the same. */
export function outcomeKey(outcome: TlsOutcome): string {
  const key = wholeKey(outcome);
  if (key.length <= KEY_LIMIT) return key;
  const { policy: { type, domain }, failure } = outcome;
  return wholeKey({ policy: { type, domain }, failure });
}

function wholeKey({ policy: { type, domain, strings, mxHosts }, failure }: TlsOutcome): string {
  const cut = (value: string | undefined) => value?.slice(0, LONGEST);
  const cutAll = (values: readonly string[] | undefined) =>
    values?.slice(0, MOST).map((value) => value.slice(0, LONGEST));
  return JSON.stringify({
    policy: { type, domain: cut(domain), strings: cutAll(strings), mxHosts: cutAll(mxHosts) },
    failure: failure && {
      type: failure.type,
      reason: cut(failure.reason),
      sendingIp: cut(failure.sendingIp),
      mx: cut(failure.mx),
      helo: cut(failure.helo),
      receivingIp: cut(failure.receivingIp),
    },
  });
}

/** Reads it back; undefined when it is none of ours. */
export function parseOutcomeKey(key: string): TlsOutcome | undefined {
  const read = readJson(key, outcome);
  return read instanceof Misfit ? undefined : read;
}
