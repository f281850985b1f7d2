import { quoteAddress } from "../address/address.ts";
import { printable, printableAscii } from "../base/printable.ts";
import { wrapLine } from "../base/wrap.ts";
import { mailDate } from "../message/date.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { NoticeSubject, ReportedRecipient } from "./bouncer.ts";
import type { Template } from "./template.ts";

/** What is returned of the original. */
export type Returned = "message" | "headers";

/** What a notice is made of (RFC 3464; shapes as Postfix's). */
export interface NoticeParts {
  readonly subject: NoticeSubject;
  readonly entries: readonly ReportedRecipient[];
  readonly template: Template;
  /** The text part's words, filled in; "" for postmaster copies. */
  readonly text: string;
  readonly heading: string;
  /** Envelope recipient, internal form, with its domain. */
  readonly to: string;
  readonly from: string;
  readonly forPostmaster: boolean;
  /** The sender shown: the null sender's place is taken by MAILER-DAEMON. */
  readonly shownSender: string;
  /** `failed` and so on are the entries' own; a delay shows until when it is tried. */
  readonly retryUntil: number | undefined;
  readonly returned: Returned;
  /** `Undelivered Message` or `Message`. */
  readonly returnedName: string;
  readonly now: number;
  readonly hostname: string;
  readonly mailName: string;
  readonly smtputf8Enabled: boolean;
  readonly threaded: boolean;
  /** The notice may go without TLS as the original might (RFC 8689 §5). */
  readonly tlsNotRequired: boolean;
}

const WIDTH = 79;
const INDENT = 4;

/** What no line may have in it; senders, servers and tables have a say in most of them. */
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/** Lines in wire form. A control character in one is a question mark, so that nobody adds a line or a part of his own. */
const crlf = (lines: readonly string[]) =>
  `${lines.map((line) => line.replace(CONTROLS, "?")).join("\r\n")}\r\n`;
const isAscii = (text: string) => /^[\x00-\x7f]*$/.test(text);

/** `rfc822;` or, beyond ASCII, `utf-8;` (RFC 6533 §3). */
function typed(address: string, separator: string): string {
  return `${isAscii(address) ? "rfc822" : "utf-8"};${separator}${address}`;
}

/** Final address of an entry, in external form. */
function finalAddress({ recipient, detail }: ReportedRecipient): string {
  return quoteAddress(printable(detail.address ?? recipient.address));
}

/** The address first given, where it is another than the final one; to the owner of a list it is named anyway, as Postfix does. */
function expandedFrom(entry: ReportedRecipient): string | undefined {
  const { original } = entry.recipient;
  const final = entry.detail.address ?? entry.recipient.address;
  const isSame = original.toLowerCase() === final.toLowerCase() && entry.detail.owner === undefined;
  return original === "" || isSame ? undefined : quoteAddress(original);
}

/** Somebody's words, in ASCII where the notice is (smtputf8_enable). */
const shown = (text: string, utf8: boolean) => utf8 ? text : printableAscii(text);

function wrapped(text: string, { smtputf8Enabled }: NoticeParts): string[] {
  return wrapLine(shown(text, smtputf8Enabled), WIDTH, INDENT);
}

function textEntry(entry: ReportedRecipient, parts: NoticeParts): string[] {
  const from = expandedFrom(entry);
  const head = `<${finalAddress(entry)}>${from === undefined ? "" : ` (expanded from <${from}>)`}`;
  return ["", ...wrapped(`${head}: ${entry.detail.text}`, parts)];
}

function diagnostic(detail: RecipientDetail, mailName: string): string {
  if (detail.diagnosticType === undefined || detail.diagnosticType === "X-Postfix") {
    return `X-${mailName}; ${detail.diagnostic ?? detail.text}`;
  }
  return `${detail.diagnosticType}; ${detail.diagnostic ?? detail.text}`;
}

function statusEntry(entry: ReportedRecipient, parts: NoticeParts, mailName: string): string[] {
  const { recipient, detail } = entry;
  const original = recipient.orcpt ??
    (recipient.original === "" ? undefined : typed(quoteAddress(recipient.original), ""));
  return [
    "",
    `Final-Recipient: ${typed(finalAddress(entry), " ")}`,
    ...original === undefined ? [] : [`Original-Recipient: ${original}`],
    `Action: ${detail.action}`,
    `Status: ${detail.status}`,
    ...detail.remoteMta === undefined ? [] : [`Remote-MTA: dns; ${detail.remoteMta}`],
    ...wrapped(`Diagnostic-Code: ${diagnostic(detail, mailName)}`, parts),
    ...parts.retryUntil === undefined ? [] : [`Will-Retry-Until: ${mailDate(parts.retryUntil)}`],
  ];
}

/** Encoding and character set of the notice; 7bit is what no encoding line means (bounce(8), RFC 6533). */
function encoding(parts: NoticeParts): { readonly eightBit: boolean; readonly charset: string } {
  const { envelope } = parts.subject;
  const eightBit = parts.smtputf8Enabled || envelope.body === "8BITMIME" || envelope.smtputf8 === true;
  const { charset } = parts.template;
  return { eightBit, charset: eightBit && charset.toLowerCase() === "us-ascii" ? "utf-8" : charset };
}

/** The encoding line of a part, where there is one. */
const encodingLine = (eightBit: boolean) => eightBit ? ["Content-Transfer-Encoding: 8bit"] : [];

function headers(parts: NoticeParts, boundary: string, eightBit: boolean): string[] {
  const { messageId } = parts.subject.envelope;
  const threaded = parts.threaded && messageId !== undefined && messageId !== "";
  return [
    `Date: ${mailDate(parts.now)}`,
    `From: ${parts.from}`,
    `Subject: ${parts.heading}`,
    `To: ${quoteAddress(parts.to)}`,
    ...threaded ? [`References: ${messageId}`, `In-Reply-To: ${messageId}`] : [],
    ...parts.tlsNotRequired ? ["TLS-Required: no"] : [],
    `Auto-Submitted: ${parts.forPostmaster ? "auto-generated" : "auto-replied"}`,
    "MIME-Version: 1.0",
    "Content-Type: multipart/report; report-type=" +
    `${parts.subject.envelope.smtputf8 === true ? "global-delivery-status" : "delivery-status"};`,
    `\tboundary="${boundary}"`,
    ...encodingLine(eightBit),
    "",
    "This is a MIME-encapsulated message.",
    "",
  ];
}

function notification(parts: NoticeParts, boundary: string, eightBit: boolean, charset: string): string[] {
  return [
    `--${boundary}`,
    "Content-Description: Notification",
    `Content-Type: text/plain; charset=${charset}`,
    ...encodingLine(eightBit),
    "",
    ...parts.text === "" ? [] : parts.text.replace(/\n$/, "").split("\n"),
    ...parts.entries.flatMap((entry) => textEntry(entry, parts)),
    "",
  ];
}

function report(parts: NoticeParts, boundary: string): string[] {
  const { envelope } = parts.subject;
  const global = envelope.smtputf8 === true;
  const name = parts.mailName.replace(/[^A-Za-z0-9]/g, "-");
  return [
    `--${boundary}`,
    "Content-Description: Delivery report",
    `Content-Type: message/${global ? "global-delivery-status" : "delivery-status"}`,
    ...global ? ["Content-Transfer-Encoding: 8bit"] : [],
    "",
    `Reporting-MTA: dns; ${parts.hostname}`,
    ...envelope.envid === undefined ? [] : [`Original-Envelope-Id: ${envelope.envid}`],
    `X-${name}-Queue-ID: ${envelope.id}`,
    ...parts.shownSender === "" ? [] : [`X-${name}-Sender: ${typed(quoteAddress(parts.shownSender), " ")}`],
    `Arrival-Date: ${mailDate(envelope.arrival)}`,
    ...parts.entries.flatMap((entry) => statusEntry(entry, parts, name)),
    "",
  ].map((line) => shown(line, parts.smtputf8Enabled));
}

function returned(parts: NoticeParts, boundary: string, eightBit: boolean): string[] {
  const global = parts.subject.envelope.smtputf8 === true;
  const whole = parts.returned === "message";
  const type = whole
    ? `message/${global ? "global" : "rfc822"}`
    : global
    ? "message/global-headers"
    : "text/rfc822-headers";
  return [
    `--${boundary}`,
    `Content-Description: ${parts.returnedName}${whole ? "" : " Headers"}`,
    `Content-Type: ${type}`,
    ...encodingLine(eightBit),
    "",
    `Return-Path: <${quoteAddress(parts.shownSender)}>`,
  ];
}

/** What stands before and after the returned original; both in wire form. */
export interface PrintedNotice {
  readonly before: string;
  readonly after: string;
}

/** Prints a notice around the original message, byte for byte as Postfix does. */
export function printNotice(parts: NoticeParts): PrintedNotice {
  const { eightBit, charset } = encoding(parts);
  const boundary = `${parts.subject.envelope.id}.${Math.floor(parts.now / 1000)}/${parts.hostname}`;
  return {
    before: crlf([
      ...headers(parts, boundary, eightBit),
      ...notification(parts, boundary, eightBit, charset),
      ...report(parts, boundary),
      ...returned(parts, boundary, eightBit),
    ]),
    after: `\r\n--${boundary}--\r\n`,
  };
}
