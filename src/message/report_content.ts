/** A report that goes by mail: words for people, and a file for programs. */
export interface ReportContent {
  /** Header fields, without line ends; a field may be folded by CR LF. Date and Message-ID are the queue's to add. */
  readonly fields: readonly string[];
  /** `multipart/mixed`, with what belongs to it. */
  readonly type: string;
  readonly boundary: string;
  /** Lines for people, ASCII. */
  readonly text: readonly string[];
  readonly file: { readonly type: string; readonly name: string; readonly bytes: Uint8Array };
}

/** Characters of a line of base64 (RFC 2045 §6.8). */
const BASE64_LINE = /.{1,76}/g;

/** The report as the content of a message, CR LF line ends. */
export function reportContent({ fields, type, boundary, text, file }: ReportContent): string {
  const base64 = Buffer.from(file.bytes).toString("base64").match(BASE64_LINE) ?? [];
  return [
    ...fields,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    `Content-Type: ${type};`,
    ` boundary="${boundary}"`,
    "",
    "This is a report in MIME format.",
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    ...text,
    "",
    `--${boundary}`,
    `Content-Type: ${file.type}`,
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment;`,
    ` filename="${file.name}"`,
    "",
    ...base64,
    "",
    `--${boundary}--`,
    "",
  ].join("\r\n");
}

/** A boundary that is always the same for a report: its kind, its day, and the end of its id. */
export function reportBoundary(kind: string, day: string, id: string): string {
  return `_${kind}_${day.replaceAll("-", "")}_${Buffer.from(id).toString("hex").slice(-16)}`;
}
