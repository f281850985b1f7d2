import { quoteAddress } from "../address/address.ts";
import { mailDate } from "../message/date.ts";
import type { Transaction } from "./phase.ts";
import type { Session } from "./smtpd_session.ts";

function protocolWord(session: Session, { parameters }: Transaction): string {
  const logged = session.login === undefined ? "" : "A";
  if (parameters.smtputf8) return `UTF8SMTP${logged}`;
  return session.esmtp ? `ESMTP${logged}` : "SMTP";
}

/** The protocol as Received and the queue name it (RFC 3848, RFC 6531 §4.3). */
export function protocolOf(session: Session, transaction: Transaction): string {
  return protocolWord(session, transaction);
}

function from(session: Session): string {
  const { name, address } = session.client;
  const shown = address.includes(":") ? `IPv6:${address}` : address;
  return `from ${session.hello?.name ?? name} (${name} [${shown}])`;
}

/** Non-printable characters and backslashes of a login become `?`, parentheses stay out of the comment. */
function commentSafe(text: string): string {
  return text.replace(/[^ -~]|[()\\]/g, "?");
}

function login(session: Session): string {
  if (session.login === undefined || !session.settings.saslHeader) return "";
  return `\r\n\t(Authenticated sender: ${commentSafe(session.login.username)})`;
}

/** The Received header of a message (RFC 5321 §4.4), in Postfix's form; ends in CR LF. */
export function receivedHeader(session: Session, transaction: Transaction): string {
  const { myhostname, mailName, hideClientSession } = session.settings;
  const date = mailDate(transaction.arrival);
  const by = `by ${myhostname} (${mailName})`;
  const id = `id ${transaction.id}`;
  if (hideClientSession) return `Received: ${by} ${id};\r\n\t${date}\r\n`;
  const [only] = transaction.recipients;
  const end = transaction.recipients.length === 1 && only !== undefined
    ? `\r\n\tfor <${quoteAddress(only.original)}>; ${date}`
    : `;\r\n\t${date}`;
  const with_ = protocolWord(session, transaction);
  return `Received: ${from(session)}${login(session)}\r\n\t${by} with ${with_} ${id}${end}\r\n`;
}
