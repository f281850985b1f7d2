import { type DayOfDomain, limitsOf } from "../../platform/database/day_counts.ts";
import { type AppliedPolicy, outcomeKey, parseOutcomeKey, type SessionFailure } from "./tls_outcome.ts";

/** Who reports. */
export interface Reporter {
  readonly organization: string;
  /** Address of somebody who can be asked. */
  readonly contact: string;
  /** Our host name: TLS-Report-Submitter. */
  readonly submitter: string;
}

/** A report for one domain about one day (RFC 8460 §4.4). */
export interface TlsReport extends DayOfDomain {
  readonly id: string;
  readonly json: string;
  /** Sessions that went well, and that did not. */
  readonly successes: number;
  readonly failures: number;
}

interface PolicyReport {
  readonly policy: AppliedPolicy;
  successes: number;
  readonly failures: { readonly failure: SessionFailure; readonly count: number }[];
}

/** Makes the report from what was counted. */
export function tlsReport(
  about: DayOfDomain,
  counts: readonly { readonly key: string; readonly count: number }[],
  reporter: Reporter,
): TlsReport {
  const policies = byPolicy(counts);
  const id = `${about.day}T00.00.00Z+${about.domain}@${reporter.submitter}`;
  const { begin, end } = limitsOf(about.day);
  const json = JSON.stringify({
    "organization-name": reporter.organization,
    "date-range": { "start-datetime": timestamp(begin), "end-datetime": timestamp(end - 1000) },
    "contact-info": reporter.contact,
    "report-id": id,
    policies: policies.map(policyReport),
  });
  const sum = (numbers: readonly number[]) => numbers.reduce((one, other) => one + other, 0);
  return {
    ...about,
    id,
    json,
    successes: sum(policies.map(({ successes }) => successes)),
    failures: sum(policies.map(failuresOf)),
  };
}

function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, "Z");
}

function byPolicy(
  counts: readonly { readonly key: string; readonly count: number }[],
): readonly PolicyReport[] {
  const found = new Map<string, PolicyReport>();
  for (const { key, count } of counts) {
    const outcome = parseOutcomeKey(key);
    if (outcome === undefined) continue;
    const { policy, failure } = outcome;
    const name = outcomeKey({ policy });
    const report = found.get(name) ?? { policy, successes: 0, failures: [] };
    found.set(name, report);
    if (failure === undefined) report.successes += count;
    else report.failures.push({ failure, count });
  }
  return [...found.values()];
}

function failuresOf({ failures }: PolicyReport): number {
  return failures.reduce((sum, { count }) => sum + count, 0);
}

function policyReport(report: PolicyReport): object {
  const { type, domain, strings, mxHosts } = report.policy;
  return {
    policy: {
      "policy-type": type,
      ...(strings !== undefined && { "policy-string": strings }),
      "policy-domain": domain,
      ...(mxHosts !== undefined && { "mx-host": mxHosts }),
    },
    summary: {
      "total-successful-session-count": report.successes,
      "total-failure-session-count": failuresOf(report),
    },
    ...(report.failures.length > 0 && { "failure-details": report.failures.map(failureDetail) }),
  };
}

function failureDetail({ failure, count }: PolicyReport["failures"][number]): object {
  const { type, reason, sendingIp, mx, helo, receivingIp } = failure;
  return {
    "result-type": type,
    ...(sendingIp && { "sending-mta-ip": sendingIp }),
    ...(mx && { "receiving-mx-hostname": mx }),
    ...(helo && { "receiving-mx-helo": helo }),
    ...(receivingIp && { "receiving-ip": receivingIp }),
    "failed-session-count": count,
    ...(reason && { "failure-reason-code": reason }),
  };
}
