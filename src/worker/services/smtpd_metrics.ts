import type { AccessPolicy, Decision } from "../../access/policy.ts";
import { then } from "../../base/maybe_async.ts";
import type { Metrics } from "../../observe/metrics.ts";

/** Counts replies by code. */
export function countReplies(metrics: Metrics): (code: number) => void {
  const replies = metrics.counter("mta_smtpd_replies_total", "SMTP replies by code", "code");
  return (code) => replies.add(1, String(code));
}

/** The same policy, with its refusals counted by list, restriction and code. */
export function countRefusals(policy: AccessPolicy, metrics: Metrics): AccessPolicy {
  const refusals = metrics.counter(
    "mta_smtpd_rejects_total",
    "Refusals of the access policy by list and restriction",
    "restriction",
    "code",
  );
  const counted = (decision: Decision): Decision => {
    if (decision.refusal !== undefined) {
      refusals.add(1, decision.refusedBy ?? "unlisted", String(decision.refusal.code));
    }
    return decision;
  };
  return {
    ...policy,
    open() {
      const session = policy.open();
      return {
        check: (stage, facts, trace) => then(session.check(stage, facts, trace), counted),
        spf: (facts) => session.spf(facts),
      };
    },
  };
}
