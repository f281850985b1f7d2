import { quoteAddress } from "../../address/address.ts";
import { reportBoundary, reportContent } from "../../message/report_content.ts";
import { limitsOf } from "../../platform/database/day_counts.ts";
import type { Reporter, TlsReport } from "./report.ts";

/** A report as the content of a message, CR LF line ends (RFC 8460 §5.3). Date and Message-ID are the queue's to add. */
export function reportMail(
  report: TlsReport,
  gzipped: Uint8Array,
  reporter: Reporter,
  to: string,
): string {
  return reportContent({
    fields: [
      `From: ${quoteAddress(reporter.contact)}`,
      `To: ${quoteAddress(to)}`,
      `Subject: Report Domain: ${report.domain} Submitter: ${reporter.submitter}`,
      ` Report-ID: <${report.id}>`,
      `TLS-Report-Domain: ${report.domain}`,
      `TLS-Report-Submitter: ${reporter.submitter}`,
      "TLS-Required: no",
    ],
    type: 'multipart/report; report-type="tlsrpt"',
    boundary: reportBoundary("tlsrpt", report.day, report.id),
    text: [
      `This is a report about TLS from ${reporter.submitter} for ${report.domain}`,
      `about ${report.day} (UTC): ${report.successes} sessions as they should be, ${report.failures} not.`,
    ],
    file: { type: "application/tlsrpt+gzip", name: fileName(report, reporter), bytes: gzipped },
  });
}

/** `submitter!domain!begin!end.json.gz` (RFC 8460 §5.1). */
export function fileName({ day, domain }: TlsReport, { submitter }: Reporter): string {
  const { begin, end } = limitsOf(day);
  return `${submitter}!${domain}!${begin / 1000}!${end / 1000 - 1}.json.gz`;
}
