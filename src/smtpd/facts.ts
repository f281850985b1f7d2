import { type Address, quoteAddress } from "../address/address.ts";
import type { CheckedContent, Facts } from "../access/policy.ts";
import type { Context } from "./context.ts";
import { type Phase, transactionOf } from "./phase.ts";

/** What a check is about beyond what is known of the session. */
export interface Subject {
  readonly sender?: Address;
  readonly recipient?: Address;
  readonly size?: number;
  readonly helo?: string;
  readonly etrnDomain?: string;
  readonly smtputf8?: boolean;
  readonly saslSender?: string;
  readonly content?: CheckedContent;
}

/**
 * What DATA and end-of-data restrictions see of the recipients: the one there is, or none where there are several (postconf(5),
 * smtpd_data_restrictions).
 */
export function onlyRecipient(phase: Phase): Pick<Subject, "recipient"> {
  const recipients = transactionOf(phase)?.recipients;
  return { recipient: recipients?.length === 1 ? recipients[0]?.original : undefined };
}

/** All that restrictions may look at, as of now. */
export function factsOf(context: Context, phase: Phase, subject: Subject = {}): Facts {
  const { facts, settings } = context;
  const transaction = transactionOf(phase);
  const known: Facts = {
    service: settings.service,
    client: facts.client,
    server: facts.server,
    peerAddress: facts.peer.address,
    protocol: facts.esmtp ? "ESMTP" : "SMTP",
    helo: subject.helo ?? facts.hello?.name,
    sender: subject.sender ?? transaction?.sender,
    recipient: subject.recipient,
    recipientCount: transaction?.recipients.length ?? 0,
    size: subject.size ?? transaction?.parameters.size ?? 0,
    queueId: transaction?.id,
    saslMethod: facts.login?.method,
    saslUsername: facts.login?.username,
    saslSender: subject.saslSender ?? transaction?.parameters.auth,
    tls: facts.tls,
    etrnDomain: subject.etrnDomain,
    pipelinedEarly: facts.pipelinedEarly,
    smtputf8: subject.smtputf8 ?? transaction?.parameters.smtputf8,
    discarding: transaction?.effects.discard,
    held: transaction?.effects.hold,
    stressed: settings.stressed,
    where: context.where,
  };
  return subject.content === undefined ? known : { ...known, content: subject.content };
}

const attribute = (name: string, value: string | undefined) =>
  value === undefined ? "" : ` ${name}=<${value}>`;

/** `from=<s> to=<r> proto=ESMTP helo=<h>`: what ends a reject line; absent attributes are left out. */
export function envelopeText({ facts }: Context, phase: Phase, subject: Subject = {}): string {
  const transaction = transactionOf(phase);
  const from = subject.sender ?? transaction?.sender;
  const to = "recipient" in subject ? subject.recipient : transaction?.recipients.at(-1)?.original;
  const text = attribute("from", from === undefined ? undefined : quoteAddress(from)) +
    attribute("to", to === undefined ? undefined : quoteAddress(to)) +
    ` proto=${facts.esmtp ? "ESMTP" : "SMTP"}` +
    attribute("helo", subject.helo ?? facts.hello?.name);
  return text.slice(1);
}
