import { quoteAddress } from "../../address/address.ts";
import { oneLine } from "../../base/printable.ts";
import { mailDate } from "../../message/date.ts";
import type { ClientCertificate } from "../../access/policy.ts";
import { cipherText, keyExchangeText, signatureText } from "../../tls/handshake.ts";
import type { Context } from "../context.ts";
import type { Transaction } from "../phase.ts";
import type { SessionFacts } from "../session_facts.ts";
import { commentSafe } from "./comment_safe.ts";

/** The protocol as Received and the queue name it (RFC 3848, RFC 6531 §4.3). */
export function protocolOf({ facts }: Context, { parameters }: Transaction): string {
  const secured = `${facts.tls === undefined ? "" : "S"}${facts.login === undefined ? "" : "A"}`;
  if (parameters.smtputf8) return `UTF8SMTP${secured}`;
  return facts.esmtp ? `ESMTP${secured}` : "SMTP";
}

function from({ client: { name, address }, hello }: SessionFacts): string {
  const shown = address.includes(":") ? `IPv6:${address}` : address;
  return `from ${hello?.name ?? name} (${name} [${shown}])`;
}

function login({ facts, settings }: Context): string[] {
  if (facts.login === undefined || !settings.saslHeader) return [];
  return [`(Authenticated sender: ${commentSafe(facts.login.username)})`];
}

/** How the client's connection is encrypted, on lines as Postfix breaks them (smtpd_tls_received_header). */
function encryption({ facts: { tls }, settings }: Context): string[] {
  if (tls === undefined || !settings.tls.receivedHeader) return [];
  const { handshake, peer } = tls;
  const { serverSignature, clientSignature } = handshake;
  const second = [keyExchangeText(handshake), signatureText("server", serverSignature)]
    .filter((part) => part !== undefined).join(" ");
  const using = [`(using ${cipherText(handshake)}`];
  if (second !== "") using.push(` ${second}`);
  if (clientSignature !== undefined) using.push(` ${signatureText("client", clientSignature)}`);
  const last = `${using.pop()})`;
  return [...using, last, certificate(peer, settings.tls.askCertificate)];
}

function certificate(peer: ClientCertificate | undefined, asked: boolean): string {
  if (peer === undefined) {
    return asked ? "(Client did not present a certificate)" : "(No client certificate requested)";
  }
  const { subject, issuer, trusted } = peer;
  const verified = trusted ? "verified OK" : "not verified";
  return `(Client CN "${commentSafe(subject)}", Issuer "${commentSafe(issuer)}" (${verified}))`;
}

/** The Received header of a message (RFC 5321 §4.4), in Postfix's form; ends in CR LF. Nobody adds a line to it. */
export function receivedHeader(context: Context, transaction: Transaction): string {
  return `Received: ${lines(context, transaction).map(oneLine).join("\r\n\t")}\r\n`;
}

function lines(context: Context, transaction: Transaction): string[] {
  const { myhostname, mailName, hideClientSession } = context.settings;
  const date = mailDate(transaction.arrival);
  const by = `by ${myhostname} (${mailName})`;
  const id = transaction.id === undefined ? "" : ` id ${transaction.id}`;
  if (hideClientSession) return [`${by}${id};`, date];
  const head = [from(context.facts), ...encryption(context), ...login(context)];
  const with_ = `${by} with ${protocolOf(context, transaction)}${id}`;
  const [only] = transaction.recipients;
  return transaction.recipients.length === 1 && only !== undefined
    ? [...head, with_, `for <${quoteAddress(only.original)}>; ${date}`]
    : [...head, `${with_};`, date];
}
