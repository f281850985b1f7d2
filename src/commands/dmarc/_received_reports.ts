import type { AggregateReport } from "../../mailauth/reports/aggregate_report.ts";
import { reportsIn } from "../../mailauth/reports/reports_in.ts";
import type { ReportsRequest } from "./_arguments.ts";
import { type Source, sourcesOf } from "./_sources.ts";

/** A report that came in, and where it was found. */
export interface ReceivedReport {
  readonly source: string;
  readonly report: AggregateReport;
}

/** What was found at all places. */
export interface ReceivedReports {
  /** By day, domain and reporter. */
  readonly reports: readonly ReceivedReport[];
  readonly faults: readonly { readonly source: string; readonly why: string }[];
  /** Reports that came more than once. */
  readonly duplicates: number;
  /** Messages and files in which there is no report. */
  readonly others: number;
}

/** Records of all reports that are held. */
const MOST_RECORDS = 1_000_000;

/** Reads the reports at the places that were asked for. */
export async function receivedReports(request: ReportsRequest): Promise<ReceivedReports> {
  const gathering = new Gathering(request);
  for (const path of request.paths) {
    for await (const source of sourcesOf(path)) gathering.take(source);
  }
  return gathering.result();
}

class Gathering {
  readonly #request: ReportsRequest;
  readonly #reports = new Map<string, ReceivedReport>();
  readonly #faults: { readonly source: string; readonly why: string }[] = [];
  #duplicates = 0;
  #others = 0;
  #records = 0;

  constructor(request: ReportsRequest) {
    this.#request = request;
  }

  take(source: Source): void {
    if ("fault" in source) return this.#fault(source.name, source.fault);
    const found = reportsIn(source.bytes);
    if (found.length === 0) this.#others++;
    for (const each of found) {
      if (each.is === "report") this.#report(source.name, each.report);
      else this.#fault(each.file === "" ? source.name : `${source.name}: ${each.file}`, each.why);
    }
  }

  #fault(source: string, why: string): void {
    this.#faults.push({ source, why });
  }

  #report(source: string, report: AggregateReport): void {
    if (!this.#isWanted(report)) return;
    const { organization, id, begin, policy: { domain } } = report;
    const key = JSON.stringify([organization, id, domain, begin]);
    if (this.#reports.has(key)) return void this.#duplicates++;
    this.#records += report.records.length;
    if (this.#records > MOST_RECORDS) {
      return this.#fault(source, `more than ${MOST_RECORDS} records are not held`);
    }
    this.#reports.set(key, { source, report });
  }

  #isWanted({ end, policy }: AggregateReport): boolean {
    const { since, domain } = this.#request;
    if (since !== undefined && end < since) return false;
    const about = policy.domain.toLowerCase();
    return domain === undefined || about === domain || about.endsWith(`.${domain}`);
  }

  result(): ReceivedReports {
    const reports = [...this.#reports.values()].sort((one, other) =>
      one.report.begin - other.report.begin || compare(one.report, other.report)
    );
    return { reports, faults: this.#faults, duplicates: this.#duplicates, others: this.#others };
  }
}

function compare(one: AggregateReport, other: AggregateReport): number {
  const key = ({ policy, organization }: AggregateReport) => `${policy.domain}\0${organization}`;
  return key(one) < key(other) ? -1 : 1;
}
