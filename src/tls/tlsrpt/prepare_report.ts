import type { Address } from "../../address/address.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { DailyReports, DayReport } from "../../platform/database/daily_reports.ts";
import { gzip } from "../../platform/gzip.ts";
import type { AskHttps } from "../sts/fetch_policy.ts";
import { type Reporter, type TlsReport, tlsReport } from "./report.ts";
import { reportMail } from "./report_mail.ts";
import { printReportUri, type ReportUri, reportUris } from "./tlsrpt_record.ts";

/** What reports are sent with. */
export interface ReportWorld {
  readonly resolver: Pick<Resolver, "txt">;
  readonly reporter: Reporter;
  /** Puts a message into the queue; resolves when it is there for good. */
  readonly mail: (content: string, to: Address) => Promise<void>;
  readonly ask: AskHttps;
}

/** Bytes of a collector's answer that are read, and milliseconds for it. */
const [ANSWER_LIMIT, TIME_LIMIT] = [65_536, 60_000];

/** Makes a domain's report, for where the domain wants it today. */
export function prepareTlsReport(world: ReportWorld): DailyReports["prepare"] {
  return async (about, counts) => {
    const answer = await world.resolver.txt(`_smtp._tls.${about.domain}`);
    if (answer.is === "trouble") return undefined;
    const uris = answer.is === "records" ? reportUris(answer.records.map(({ text }) => text)) ?? [] : [];
    return reportTo(world, uris, tlsReport(about, counts, world.reporter));
  };
}

function reportTo(world: ReportWorld, uris: readonly ReportUri[], report: TlsReport): DayReport {
  const gzipped = gzip(Buffer.from(report.json));
  return {
    summary: `${report.successes} successes, ${report.failures} failures`,
    places: uris.map((uri) => ({
      name: printReportUri(uri),
      send: () => uri.is === "mailto" ? mail(world, uri.address, report, gzipped) : post(world, uri, gzipped),
    })),
  };
}

async function mail(
  { mail, reporter }: ReportWorld,
  to: Address,
  report: TlsReport,
  gzipped: Uint8Array,
): Promise<string | undefined> {
  try {
    await mail(reportMail(report, gzipped, reporter, to), to);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Certificates are not looked at: a domain whose certificates are broken is the one that needs the report (RFC 8460 §3). */
async function post(
  world: ReportWorld,
  { host, port, path }: Extract<ReportUri, { readonly is: "https" }>,
  bytes: Uint8Array,
): Promise<string | undefined> {
  const answer = await world.ask({
    host,
    port,
    path,
    body: { type: "application/tlsrpt+gzip", bytes },
    verify: false,
    bodyLimit: ANSWER_LIMIT,
    timeout: TIME_LIMIT,
  });
  if ("failed" in answer) return answer.why;
  return answer.status >= 200 && answer.status < 300 ? undefined : `HTTP status ${answer.status}`;
}
