import { quoteAddress } from "../address/address.ts";
import type { ClientFacts, Facts } from "../access/policy.ts";
import type { Connection } from "../platform/socket/connection.ts";
import { NAMELESS } from "./deps.ts";
import { transactionOf } from "./phase.ts";
import type { Session } from "./smtpd_session.ts";

/** A client before its name is looked up. */
export function connectFacts(connection: Connection): ClientFacts {
  const { address, port } = connection.remote;
  const { name, reverseName, nameStatus, reverseNameStatus } = NAMELESS;
  return {
    address: address === "" ? "unknown" : address,
    port,
    name,
    reverseName,
    nameStatus,
    reverseNameStatus,
  };
}

/** What a check is about beyond the session's state. */
export interface Subject {
  readonly sender?: string;
  readonly senderAsGiven?: string;
  readonly recipient?: string;
  readonly recipientAsGiven?: string;
  readonly size?: number;
  readonly helo?: string;
  readonly etrnDomain?: string;
  readonly smtputf8?: boolean;
  readonly saslSender?: string;
}

/**
 * What DATA and end-of-data restrictions see of the recipients: the one there is, or none where there are several (postconf(5),
 * smtpd_data_restrictions).
 */
export function onlyRecipient(session: Session): Pick<Subject, "recipient" | "recipientAsGiven"> {
  const transaction = transactionOf(session.phase);
  const recipient = transaction?.recipients.length === 1 ? transaction.lastRecipient : undefined;
  if (recipient === undefined) return { recipient, recipientAsGiven: undefined };
  return { recipient, recipientAsGiven: quoteAddress(recipient) };
}

/** All that restrictions may look at, as of now. */
export function factsOf(session: Session, subject: Subject = {}): Facts {
  const transaction = transactionOf(session.phase);
  const { local, remote } = session.connection;
  return {
    service: session.settings.service,
    client: session.client,
    server: session.destination ?? local,
    peerAddress: remote.address,
    protocol: session.esmtp ? "ESMTP" : "SMTP",
    helo: subject.helo ?? session.hello?.name,
    sender: subject.sender ?? transaction?.sender,
    senderAsGiven: subject.senderAsGiven ?? transaction?.senderAsGiven,
    recipient: subject.recipient,
    recipientAsGiven: subject.recipientAsGiven,
    recipientCount: transaction?.recipients.length ?? 0,
    size: subject.size ?? transaction?.parameters.size ?? 0,
    queueId: transaction?.id,
    saslMethod: session.login?.method,
    saslUsername: session.login?.username,
    saslSender: subject.saslSender ?? transaction?.parameters.auth,
    etrnDomain: subject.etrnDomain,
    pipelinedEarly: session.pipelinedEarly,
    smtputf8: subject.smtputf8 ?? transaction?.parameters.smtputf8,
    discarding: transaction?.effects.discard,
    held: transaction?.effects.hold,
    stressed: session.settings.stressed,
    where: session.where,
  };
}

const attribute = (name: string, value: string | undefined) =>
  value === undefined ? "" : ` ${name}=<${value}>`;

/** `from=<s> to=<r> proto=ESMTP helo=<h>`: what ends a reject line; absent attributes are left out. */
export function envelopeText(session: Session, subject: Subject = {}): string {
  const transaction = transactionOf(session.phase);
  const { helo } = subject;
  const from = subject.sender ?? transaction?.sender;
  const to = "recipient" in subject ? subject.recipient : transaction?.lastRecipient;
  const text = attribute("from", from === undefined ? undefined : quoteAddress(from)) +
    attribute("to", to === undefined ? undefined : quoteAddress(to)) +
    ` proto=${session.esmtp ? "ESMTP" : "SMTP"}` +
    attribute("helo", helo ?? session.hello?.name);
  return text.slice(1);
}
