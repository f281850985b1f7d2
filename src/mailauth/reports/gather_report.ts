import type { Count } from "../../platform/database/count_store.ts";
import { type DayOfDomain, limitsOf } from "../../platform/database/day_counts.ts";
import type { AggregateReport, ReportedPolicy, ReportedRecord } from "./aggregate_report.ts";
import { parseCounted } from "./counted_key.ts";

/** Who reports. */
export interface Reporter {
  readonly organization: string;
  /** Where reports come from, and who can be asked. */
  readonly from: string;
  /** Our host name. */
  readonly submitter: string;
  /** Name and version of the program. */
  readonly generator: string;
}

/** A day's report, of what was counted. With several policies on that day it has the last (RFC 9990 §3.3); undefined without any. */
export function gatherReport(
  about: DayOfDomain,
  counts: readonly Omit<Count, "group">[],
  { organization, from, submitter, generator }: Reporter,
): AggregateReport | undefined {
  const records: ReportedRecord[] = [];
  let last: { readonly policy: ReportedPolicy; readonly hour: number; readonly count: number } | undefined;
  for (const { key, count } of counts) {
    const counted = parseCounted(key);
    if (counted === undefined) continue;
    if ("row" in counted) records.push({ ...counted.row, count });
    else if (last === undefined || isLater({ ...counted, count }, last)) last = { ...counted, count };
  }
  if (last === undefined || records.length === 0) return undefined;
  const { begin, end } = limitsOf(about.day);
  return {
    organization,
    email: from,
    id: `${about.day}_${about.domain}@${submitter}`,
    begin: begin / 1000,
    end: end / 1000 - 1,
    errors: [],
    generator,
    policy: last.policy,
    records: records.sort((one, other) => other.count - one.count),
  };
}

interface Seen {
  readonly hour: number;
  readonly count: number;
}

function isLater(one: Seen, other: Seen): boolean {
  return one.hour === other.hour ? one.count > other.count : one.hour > other.hour;
}
