import type { HandshakeJudgement } from "../client/client_engine.ts";
import { type ClientTlsPolicy, isDane, mustMatch } from "../client_policy.ts";
import { matchedName } from "../x509/names.ts";
import { matchesMxPattern } from "../sts/mx_pattern.ts";
import type { Verdict } from "../verification/verification.ts";
import type { AppliedPolicy, SessionFailure } from "./tls_outcome.ts";
import type { Association } from "../x509/association.ts";

/** What failed, and more precisely. */
export type FailureKind = Pick<SessionFailure, "type" | "reason">;

/** A host that no pattern of an MTA-STS policy means. */
export const OTHER_HOST: FailureKind = { type: "validation-failure", reason: "sts-mx-mismatch" };

/** What a handshake failed in by what the domain demands; undefined when all was as it should be. `host` is an A-label. */
export function handshakeFailure(
  policy: ClientTlsPolicy,
  { isEnough, verdict }: HandshakeJudgement,
  host: string,
): FailureKind | undefined {
  if (mustMatch(policy.level)) return isEnough ? undefined : failureOf(verdict);
  if (policy.saysUntrusted) return { type: "tlsa-invalid", reason: "all-TLSA-records-unusable" };
  const { published } = policy;
  if (published?.failure !== undefined) return { type: published.failure };
  if (published?.own !== "testing") return undefined;
  if (!published.mxHosts.some((pattern) => matchesMxPattern(pattern, host))) return OTHER_HOST;
  if (verdict?.is !== "trusted") return failureOf(verdict);
  return matchedName(verdict.certificate, [host]) === undefined
    ? { type: "certificate-host-mismatch" }
    : undefined;
}

/** By the words that Postfix has for it (TLSRPT_README). */
function failureOf(verdict: Verdict | undefined): FailureKind {
  if (verdict?.is !== "untrusted") return { type: "certificate-not-trusted" };
  const { trouble } = verdict;
  switch (trouble.is) {
    case "expired":
      return { type: "certificate-expired" };
    case "name-mismatch":
    case "address-mismatch":
      return { type: "certificate-host-mismatch" };
    case "self-signed":
      return { type: "validation-failure", reason: "self-signed_certificate" };
    case "untrusted-issuer":
      return { type: "validation-failure", reason: "unable_to_get_local_issuer_certificate" };
    case "not-yet-valid":
      return { type: "validation-failure", reason: "certificate_is_not_yet_valid" };
    case "purpose":
      return { type: "validation-failure", reason: "unsuitable_certificate_purpose" };
    case "too-long":
      return { type: "validation-failure", reason: "certificate_chain_too_long" };
    case "policy-failure":
      return { type: trouble.failure };
    default:
      return { type: "certificate-not-trusted" };
  }
}

/** What was demanded, as reports tell of it (RFC 8460 §4.2). */
export function appliedPolicy(policy: ClientTlsPolicy, domain: string): AppliedPolicy {
  const { level, published, associations, serverName } = policy;
  if (isDane(level) || policy.saysUntrusted) {
    return { type: "tlsa", domain: serverName || domain, strings: associations.map(tlsaText) };
  }
  if (published?.type !== "sts") return { type: "no-policy-found", domain };
  const { strings, mxHosts } = published;
  return { type: "sts", domain: published.domain || domain, strings, mxHosts };
}

const MATCHING: Readonly<Record<string, number>> = { sha256: 1, sha512: 2 };

/** `3 1 1 HEX` (RFC 6698 §2.2). */
function tlsaText({ whose, of, digest, data }: Association): string {
  const [usage, selector] = [whose === "server" ? 3 : 2, of === "certificate" ? 0 : 1];
  return `${usage} ${selector} ${digest === undefined ? 0 : MATCHING[digest] ?? 255} ${
    data.toString("hex").toUpperCase()
  }`;
}
