import { quoteAddress } from "../../address/address.ts";
import { limitsOf } from "../../platform/database/day_counts.ts";
import type { Reporter, TlsReport } from "./report.ts";

/** Characters of a line of base64 (RFC 2045 §6.8). */
const BASE64_LINE = 76;

/** A report as the content of a message, CR LF line ends (RFC 8460 §5.3). Date and Message-ID are the queue's to add. */
export function reportMail(
  report: TlsReport,
  gzipped: Uint8Array,
  reporter: Reporter,
  to: string,
): string {
  const boundary = `_tlsrpt_${report.day.replaceAll("-", "")}_${
    Buffer.from(report.id).toString("hex").slice(-16)
  }`;
  const base64 = Buffer.from(gzipped).toString("base64").match(new RegExp(`.{1,${BASE64_LINE}}`, "g")) ?? [];
  const attachment = 'attachment; filename="' + fileName(report, reporter) + '"';
  return [
    `From: ${quoteAddress(reporter.contact)}`,
    `To: ${quoteAddress(to)}`,
    `Subject: Report Domain: ${report.domain} Submitter: ${reporter.submitter}`,
    ` Report-ID: <${report.id}>`,
    `TLS-Report-Domain: ${report.domain}`,
    `TLS-Report-Submitter: ${reporter.submitter}`,
    "TLS-Required: no",
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    'Content-Type: multipart/report; report-type="tlsrpt";',
    ` boundary="${boundary}"`,
    "",
    "This is a report about TLS in MIME format.",
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    `This is a report about TLS from ${reporter.submitter} for ${report.domain}`,
    `about ${report.day} (UTC): ${report.successes} sessions as they should be, ${report.failures} not.`,
    "",
    `--${boundary}`,
    "Content-Type: application/tlsrpt+gzip",
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: ${attachment}`,
    "",
    ...base64,
    "",
    `--${boundary}--`,
    "",
  ].join("\r\n");
}

/** `submitter!domain!begin!end.json.gz` (RFC 8460 §5.1). */
export function fileName({ day, domain }: TlsReport, { submitter }: Reporter): string {
  const { begin, end } = limitsOf(day);
  return `${submitter}!${domain}!${begin / 1000}!${end / 1000 - 1}.json.gz`;
}
