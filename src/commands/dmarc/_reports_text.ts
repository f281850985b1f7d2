import type { AggregateReport, ReportedRecord } from "../../mailauth/reports/aggregate_report.ts";
import type { ReceivedReports } from "./_received_reports.ts";

const HEADINGS = ["REPORTER", "PERIOD", "DOMAIN", "SOURCE", "COUNT", "DISPOSITION", "SPF", "DKIM", "FROM"];
/** The column that is a number. */
const COUNT = HEADINGS.indexOf("COUNT");
/** Characters of a cell: one long word of a reporter would make every line as long. */
const WIDEST = 60;
/** Sources of failing mail that are named for a domain. */
const SOURCES = 5;

/** What came in as a table, a line for each record, and a summary for each domain. */
export function reportsText({ reports, duplicates, others }: ReceivedReports): string {
  const rows = reports.flatMap(({ report }) => report.records.map((record) => rowOf(report, record)));
  const table = rows.length === 0 ? "" : `${printTable([HEADINGS, ...rows])}\n`;
  const lines = summaries(reports.map(({ report }) => report));
  if (reports.length === 0) lines.push("no reports");
  if (duplicates > 0) lines.push(`${duplicates} came more than once`);
  if (others > 0) lines.push(`${others} without a report`);
  return `${table}${lines.join("\n")}\n`;
}

function rowOf(report: AggregateReport, record: ReportedRecord): readonly string[] {
  const { sourceIp, count, disposition, spf, dkim, headerFrom, reasons } = record;
  const why = reasons.map(({ type }) => type).filter((type) => type !== "").join(",");
  return [
    report.organization || report.email,
    periodOf(report),
    report.policy.domain,
    sourceIp,
    String(count),
    why === "" ? disposition : `${disposition} (${why})`,
    spf,
    dkim,
    headerFrom,
  ].map((cell) => cell === "" ? "-" : clipped(cell));
}

function clipped(cell: string): string {
  return cell.length <= WIDEST ? cell : `${cell.slice(0, WIDEST - 3)}...`;
}

/** One day as such, all else from and to. */
function periodOf({ begin, end }: AggregateReport): string {
  const [first, last] = [begin, Math.max(begin, end - 1)].map((time) =>
    new Date(time * 1000).toISOString().slice(0, 10)
  );
  return first === last ? first! : `${first}..${last}`;
}

function printTable(rows: readonly (readonly string[])[]): string {
  const widths = HEADINGS.map((_, column) =>
    rows.reduce((most, row) => Math.max(most, row[column]!.length), 0)
  );
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      column === COUNT ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)
    )
      .join("  ").trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}

/** What is said of one domain. */
interface Summary {
  readonly reporters: Set<string>;
  reports: number;
  passed: number;
  failed: number;
  readonly failing: Map<string, number>;
}

function summaries(reports: readonly AggregateReport[]): string[] {
  const domains = new Map<string, Summary>();
  for (const report of reports) {
    const domain = report.policy.domain.toLowerCase();
    const summary = domains.get(domain) ??
      { reporters: new Set(), reports: 0, passed: 0, failed: 0, failing: new Map() };
    domains.set(domain, summary);
    add(summary, report);
  }
  return [...domains].sort().map(([domain, summary]) => printSummary(domain, summary));
}

function add(summary: Summary, report: AggregateReport): void {
  summary.reports++;
  summary.reporters.add(report.organization);
  for (const { spf, dkim, count, sourceIp } of report.records) {
    if (spf === "pass" || dkim === "pass") summary.passed += count;
    else {
      summary.failed += count;
      summary.failing.set(sourceIp, (summary.failing.get(sourceIp) ?? 0) + count);
    }
  }
}

function printSummary(domain: string, { reports, reporters, passed, failed, failing }: Summary): string {
  const messages = passed + failed;
  const share = messages === 0 ? "" : ` (${(100 * passed / messages).toFixed(1)} %)`;
  const worst = [...failing].sort(([, one], [, other]) => other - one);
  const named = worst.slice(0, SOURCES).map(([source, count]) => `${source} (${count})`).join(", ");
  const more = worst.length > SOURCES ? ` and ${worst.length - SOURCES} more` : "";
  return `${domain}: ${many(messages, "message")} in ${many(reports, "report")} from ${
    many(reporters.size, "reporter")
  }; ${passed} pass${share}, ${failed} fail${named === "" ? "" : `: ${named}${more}`}`;
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
