import type { IncomingMessage, LateChanges, Submission } from "../cleanup/cleanup.ts";
import type { Origin, QueueId } from "../queue/envelope.ts";
import type { Transaction } from "./phase.ts";
import { protocolOf, receivedHeader } from "./received.ts";
import type { Session } from "./smtpd_session.ts";

function originOf(session: Session, transaction: Transaction): Origin {
  const { client, login } = session;
  return {
    clientName: client.name,
    clientAddress: client.address,
    clientPort: client.port,
    helo: session.hello?.name,
    protocol: protocolOf(session, transaction),
    saslMethod: login?.method,
    saslUsername: login?.username,
    saslSender: transaction.parameters.auth,
  };
}

function submissionOf(session: Session, transaction: Transaction, id: QueueId): Submission {
  const { parameters, effects } = transaction;
  return {
    id,
    arrival: transaction.arrival,
    sender: transaction.sender,
    recipients: transaction.recipients,
    origin: originOf(session, transaction),
    ret: parameters.ret,
    envid: parameters.envid,
    eightBit: parameters.body === "8BITMIME" || undefined,
    smtputf8: parameters.smtputf8,
    contentFilter: effects.filter ?? session.settings.contentFilter,
    hold: effects.hold,
    discard: effects.discard,
    redirect: effects.redirect,
    bcc: effects.bcc,
    prepend: [
      ...effects.prepend.map((line) => `${line}\r\n`).reverse(),
      receivedHeader(session, transaction),
    ],
    completeHeaders: transaction.localHeaders,
  };
}

/** Hands a transaction to cleanup; the content follows. */
export function beginMessage(session: Session, transaction: Transaction, id: QueueId): IncomingMessage {
  return session.house.deps.cleanup.begin(submissionOf(session, transaction, id));
}

/** What the end-of-data restrictions changed. */
export function lateChanges({ effects }: Transaction): LateChanges {
  return {
    hold: effects.hold,
    discard: effects.discard,
    redirect: effects.redirect,
    contentFilter: effects.filter,
    bcc: effects.bcc,
  };
}
