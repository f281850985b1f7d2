import { quoteAddress } from "../../address/address.ts";
import { oneLine } from "../../base/printable.ts";
import { mailDate } from "../../message/date.ts";
import type { Context } from "../context.ts";
import type { Transaction } from "../phase.ts";
import type { SessionFacts } from "../session_facts.ts";

/** The protocol as Received and the queue name it (RFC 3848, RFC 6531 §4.3). */
export function protocolOf({ facts }: Context, { parameters }: Transaction): string {
  const logged = facts.login === undefined ? "" : "A";
  if (parameters.smtputf8) return `UTF8SMTP${logged}`;
  return facts.esmtp ? `ESMTP${logged}` : "SMTP";
}

function from({ client: { name, address }, hello }: SessionFacts): string {
  const shown = address.includes(":") ? `IPv6:${address}` : address;
  return `from ${hello?.name ?? name} (${name} [${shown}])`;
}

/** Non-printable characters and backslashes of a login become `?`, parentheses stay out of the comment. */
function commentSafe(text: string): string {
  return text.replace(/[^ -~]|[()\\]/g, "?");
}

function login({ facts, settings }: Context): string[] {
  if (facts.login === undefined || !settings.saslHeader) return [];
  return [`(Authenticated sender: ${commentSafe(facts.login.username)})`];
}

/** The Received header of a message (RFC 5321 §4.4), in Postfix's form; ends in CR LF. Nobody adds a line to it. */
export function receivedHeader(context: Context, transaction: Transaction): string {
  return `Received: ${lines(context, transaction).map(oneLine).join("\r\n\t")}\r\n`;
}

function lines(context: Context, transaction: Transaction): string[] {
  const { myhostname, mailName, hideClientSession } = context.settings;
  const date = mailDate(transaction.arrival);
  const by = `by ${myhostname} (${mailName})`;
  const id = `id ${transaction.id}`;
  if (hideClientSession) return [`${by} ${id};`, date];
  const head = [from(context.facts), ...login(context)];
  const with_ = `${by} with ${protocolOf(context, transaction)} ${id}`;
  const [only] = transaction.recipients;
  return transaction.recipients.length === 1 && only !== undefined
    ? [...head, with_, `for <${quoteAddress(only.original)}>; ${date}`]
    : [...head, `${with_};`, date];
}
