import type { LateChanges, Submission } from "../../cleanup/cleanup.ts";
import { oneLine } from "../../base/printable.ts";
import { printField } from "../../message/header.ts";
import type { Origin, QueueId } from "../../queue/envelope.ts";
import { DataDecoder } from "../../smtp/data_decoder.ts";
import type { Context } from "../context.ts";
import type { Content, Transaction } from "../phase.ts";
import { protocolOf, receivedHeader } from "./received.ts";

function originOf(context: Context, transaction: Transaction): Origin {
  const { client, login, hello } = context.facts;
  return {
    clientName: client.name,
    clientAddress: client.address,
    clientPort: client.port,
    helo: hello?.name,
    protocol: protocolOf(context, transaction),
    saslMethod: login?.method,
    saslUsername: login?.username,
    saslSender: transaction.parameters.auth,
  };
}

function submissionOf(context: Context, transaction: Transaction, id: QueueId): Submission {
  const { parameters, effects } = transaction;
  return {
    id,
    arrival: transaction.arrival,
    sender: transaction.sender,
    recipients: transaction.recipients,
    origin: originOf(context, transaction),
    ret: parameters.ret,
    envid: parameters.envid,
    eightBit: parameters.body === "8BITMIME" || undefined,
    smtputf8: parameters.smtputf8,
    requireTls: parameters.requireTls,
    verp: parameters.verp,
    contentFilter: effects.filter ?? context.settings.contentFilter,
    hold: effects.hold,
    discard: effects.discard,
    redirect: effects.redirect,
    bcc: effects.bcc,
    // A table or policy server may say what it likes: it is one line, as in Postfix.
    prepend: [
      ...effects.prepend.map((text) => printField(oneLine(text))).reverse(),
      receivedHeader(context, transaction),
    ],
    completeHeaders: transaction.localHeaders,
  };
}

/** Hands a transaction to cleanup; the content follows, by DATA or (`counted`: as many bytes as it says) by BDAT. */
export function beginContent(
  context: Context,
  transaction: Transaction,
  id: QueueId,
  counted: boolean,
): Content {
  const { deps: { cleanup }, facts: { lenientNewlines: lenient }, settings: { keepBareCr } } = context;
  return {
    transaction,
    decoder: new DataDecoder({ lenient, keepBareCr, counted }),
    message: cleanup.begin(submissionOf(context, transaction, id)),
  };
}

/** What the end-of-data restrictions changed. */
export function lateChanges({ effects }: Transaction): LateChanges {
  return {
    hold: effects.hold,
    overLimit: effects.overLimit,
    discard: effects.discard,
    redirect: effects.redirect,
    contentFilter: effects.filter,
    bcc: effects.bcc,
  };
}
