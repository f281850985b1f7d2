import { oneLine } from "../base/printable.ts";

/** An enhanced status code of one class (RFC 3463). */
export type Status<Class extends 2 | 4 | 5 = 2 | 4 | 5> = `${Class}.${number}.${number}`;
/** Reply codes that accept. */
export type PositiveCode = 200 | 211 | 214 | 220 | 221 | 235 | 250 | 251 | 252 | 334 | 354;
/** Reply codes that ask to try later: 4xx. A configured code is any number in the range. */
export type TransientCode = number & { readonly transient?: never };
/** Reply codes that refuse for good: 5xx. */
export type PermanentCode = number & { readonly permanent?: never };

/** An SMTP reply. `lines` has at least one element; a status is put in front of each line (RFC 2034 §4). */
export interface Reply {
  readonly code: number;
  readonly status?: Status;
  readonly lines: readonly string[];
}

/** A reply that accepts; `status` is left out where the RFCs want none (greeting, HELO, 354). */
export function accept(code: PositiveCode, status: Status<2> | undefined, ...lines: string[]): Reply {
  return { code, status, lines };
}
/** A reply that refuses for now. */
export function defer(code: TransientCode, status: Status<4> | undefined, ...lines: string[]): Reply {
  return { code, status, lines };
}
/** A reply that refuses for good. */
export function refuse(code: PermanentCode, status: Status<5> | undefined, ...lines: string[]): Reply {
  return { code, status, lines };
}

/** One-line form for log lines: code, status, text. */
export function replyText(reply: Reply): string {
  const text = reply.lines.join(" ");
  return reply.status === undefined ? `${reply.code} ${text}` : `${reply.code} ${reply.status} ${text}`;
}

/**
 * The reply as it goes over the wire, CR LF included; several lines get `code-` but for the last (RFC 5321 §4.2.1). A line end or NUL
 * in a line is a blank.
 */
export function printReply(reply: Reply): string {
  const status = reply.status === undefined ? "" : `${reply.status} `;
  const last = reply.lines.length - 1;
  let out = "";
  for (let i = 0; i <= last; i++) {
    out += `${reply.code}${i === last ? " " : "-"}${status}${oneLine(reply.lines[i]!)}\r\n`;
  }
  return out;
}
