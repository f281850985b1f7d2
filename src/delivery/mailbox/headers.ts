import { quoteAddress } from "../../address/address.ts";
import { mboxDate } from "../../message/date.ts";
import type { Content } from "../../queue/store.ts";

const EMPTY_LINE = Buffer.from("\r\n\r\n");
/** Headers beyond this are not searched for Delivered-To. */
const SEARCHED = 128 * 1024;

async function headerText(content: Content): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of content.chunks()) {
    pieces.push(chunk);
    size += chunk.length;
    const head = pieces.length === 1
      ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
      : Buffer.concat(pieces);
    const end = head.indexOf(EMPTY_LINE);
    if (end >= 0 || size >= SEARCHED) {
      return head.toString("latin1", 0, Math.min(end < 0 ? size : end, SEARCHED));
    }
  }
  return Buffer.concat(pieces).toString("latin1");
}

/** The addresses that a message has been delivered to already, by its Delivered-To: headers, lower case. */
export async function deliveredTo(content: Content): Promise<ReadonlySet<string>> {
  const text = await headerText(content);
  const found = new Set<string>();
  for (const [, address = ""] of text.matchAll(/^Delivered-To[ \t]*:[ \t]*(.*?)[ \t]*\r?$/gim)) {
    found.add(Buffer.from(address, "latin1").toString("utf8").toLowerCase());
  }
  return found;
}

/** What stands on top of a delivered message. */
export interface CopyHeaders {
  /** `From sender  date` first (mbox, commands). */
  readonly fromLine: boolean;
  readonly sender: string;
  /** When it is delivered. */
  readonly time: number;
  /** "" leaves X-Original-To out. */
  readonly original: string;
  /** "" leaves Delivered-To out. */
  readonly delivered: string;
}

/** The lines that a final delivery puts on top, LF line ends (local(8)). */
export function topLines(headers: CopyHeaders): string {
  const sender = quoteAddress(headers.sender);
  const from = headers.fromLine
    ? `From ${sender === "" ? "MAILER-DAEMON" : sender}  ${mboxDate(headers.time)}\n`
    : "";
  const original = headers.original === "" ? "" : `X-Original-To: ${quoteAddress(headers.original)}\n`;
  const delivered = headers.delivered === "" ? "" : `Delivered-To: ${quoteAddress(headers.delivered)}\n`;
  return `${from}Return-Path: <${sender}>\n${original}${delivered}`;
}
