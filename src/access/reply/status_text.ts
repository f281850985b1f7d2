import type { SubjectClass } from "../restriction.ts";

/** An enhanced status and the text behind it. */
export interface StatusAndText {
  readonly status: string;
  readonly text: string;
}

const STATUS = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+([\s\S]*))?$/;

/** Takes a leading enhanced status off a text; `fallback` when there is none (RFC 3463 §2). */
export function splitStatus(text: string, fallback: string): StatusAndText {
  const match = STATUS.exec(text);
  return match === null ? { status: fallback, text } : { status: match[1]!, text: match[2] ?? "" };
}

/** Detail of X.1.n as sender and as recipient status; both as far as a status of that kind makes sense (access(5)). */
const ADDRESS_DETAIL: Readonly<Record<string, readonly [sender: string, recipient: string]>> = {
  "1": ["4.1.7", "4.1.1"],
  "2": ["4.1.8", "4.1.2"],
  "3": ["4.1.7", "4.1.3"],
  "4": ["4.1.7", "4.1.4"],
  "5": ["4.1.0", "4.1.5"],
  "6": ["4.1.7", "4.1.6"],
  "7": ["4.1.7", "4.1.3"],
  "8": ["4.1.8", "4.1.2"],
};

/**
 * Makes a status fit what is refused: a recipient's X.1.n becomes the sender's and the other way round, and a generic one
 * where no address is judged (access(5), "ENHANCED STATUS CODES"). The class digit is set from the reply code later.
 */
export function statusForSubject(status: string, subject: SubjectClass): string {
  if (!/^\d\.1\./.test(status)) return status;
  const detail = ADDRESS_DETAIL[status.slice(4)] ?? ["4.1.0", "4.1.0"];
  if (subject === "Sender address") return detail[0];
  if (subject === "Recipient address") return detail[1];
  return "4.0.0";
}
