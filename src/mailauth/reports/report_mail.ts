import { quoteAddress } from "../../address/address.ts";
import { reportBoundary, reportContent } from "../../message/report_content.ts";
import type { AggregateReport } from "./aggregate_report.ts";
import type { Reporter } from "./gather_report.ts";

/** A report as the content of a message, CR LF line ends (RFC 9990 §3.5.2). */
export function reportMail(
  report: AggregateReport,
  gzipped: Uint8Array,
  { from, submitter }: Reporter,
  to: string,
): string {
  const { id, policy: { domain }, records } = report;
  const day = new Date(report.begin * 1000).toISOString().slice(0, 10);
  const messages = records.reduce((sum, { count }) => sum + count, 0);
  return reportContent({
    fields: [
      `From: ${quoteAddress(from)}`,
      `To: ${quoteAddress(to)}`,
      `Subject: Report Domain: ${domain}`,
      ` Submitter: ${submitter}`,
      ` Report-ID: <${id}>`,
    ],
    type: "multipart/mixed",
    boundary: reportBoundary("dmarc", day, id),
    text: [
      `This is a DMARC aggregate report from ${submitter} for ${domain}`,
      `about ${day} (UTC): ${messages} messages.`,
    ],
    file: { type: "application/gzip", name: fileName(report, submitter), bytes: gzipped },
  });
}

/** `receiver!policy-domain!begin!end.xml.gz` (RFC 9990 §3.5.2). */
export function fileName({ policy: { domain }, begin, end }: AggregateReport, submitter: string): string {
  return `${submitter}!${domain}!${begin}!${end}.xml.gz`;
}
