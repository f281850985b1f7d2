import type { DmarcResult } from "../../mailauth/dmarc/dmarc_result.ts";
import { type MessageResult, senderDomain } from "../../mailauth/message_check.ts";
import {
  type Disposition,
  isReportSubject,
  type OverrideReason,
  type PolicyWord,
  type VerifiedMessage,
} from "../../mailauth/reports/verified_message.ts";

/** What was done with a message. */
export interface Treated {
  readonly sourceIp: string;
  readonly sender: string;
  /** By whose word it passes (trusted_forwarders). */
  readonly passesBy: string | undefined;
  readonly disposition: PolicyWord;
}

/** What an aggregate report says of a message (RFC 9990 §3.1); undefined where its author's domain has no record. */
export function verifiedMessage(result: MessageResult, treated: Treated): VerifiedMessage | undefined {
  const { dmarc, spf, dkim, fields } = result;
  const { record, policyDomain } = dmarc;
  if (record === undefined || policyDomain === undefined) return undefined;
  const subject = fields.find((field) => /^subject[ \t]*:/i.test(field));
  const { p, sp, np, adkim, aspf, fo, t, rua } = record;
  return {
    sourceIp: treated.sourceIp,
    headerFrom: dmarc.domain,
    envelopeFrom: senderDomain(treated.sender),
    policy: {
      domain: policyDomain,
      p,
      sp,
      np,
      adkim,
      aspf,
      fo,
      testing: t === "y",
      discovery: "treewalk",
      hasRua: rua.length > 0,
    },
    disposition: dispositionOf(dmarc, treated),
    aligned: { dkim: dmarc.dkimAligned, spf: dmarc.spfAligned },
    reasons: reasonsOf(dmarc, treated),
    dkim: dkim.filter(({ domain }) => domain !== "").map(({ domain, selector, is }) => ({
      domain,
      selector,
      result: is,
    })),
    ...(spf.domain !== "" && { spf: { domain: spf.domain, result: spf.is } }),
    isReport: subject !== undefined && isReportSubject(subject.slice(subject.indexOf(":") + 1)),
  };
}

function dispositionOf(
  { is, domain, policyDomain, record }: DmarcResult,
  { disposition }: Treated,
): Disposition {
  const asked = domain === policyDomain ? record?.p : record?.sp;
  return is === "pass" && disposition === "none" && asked !== "none" ? "pass" : disposition;
}

function reasonsOf({ is, policy, source, record }: DmarcResult, treated: Treated): OverrideReason[] {
  if (is !== "fail" || record === undefined || source === undefined) return [];
  const { passesBy, disposition } = treated;
  const reasons: OverrideReason[] = [];
  if (passesBy !== undefined) reasons.push({ type: "trusted_forwarder", comment: passesBy });
  if (policy !== record[source]) reasons.push({ type: "policy_test_mode" });
  if (passesBy === undefined && policy !== disposition) reasons.push({ type: "local_policy" });
  return reasons;
}
