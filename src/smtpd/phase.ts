import type { IncomingMessage } from "../cleanup/cleanup.ts";
import type { QueueId, Recipient } from "../queue/envelope.ts";
import type { DataDecoder } from "../smtp/data_decoder.ts";
import type { MailParameters } from "../smtp/mail_parameters.ts";

/** What access actions asked for in this transaction (access(5)). */
export interface Effects {
  hold: boolean;
  discard: boolean;
  redirect: string | undefined;
  filter: string | undefined;
  readonly bcc: string[];
  /** PREPENDed header lines, first one first. */
  readonly prepend: string[];
}

/** A mail transaction: a sender, and the recipients so far. */
export interface Transaction {
  readonly sender: string;
  readonly senderAsGiven: string;
  readonly parameters: MailParameters;
  readonly arrival: number;
  /** The client's headers are completed like our own (local_header_rewrite_clients). */
  readonly localHeaders: boolean;
  /** Given at the first good recipient, or at MAIL without smtpd_delay_open_until_valid_rcpt. */
  id: QueueId | undefined;
  readonly recipients: Recipient[];
  /** The last recipient as the client wrote it. */
  lastRecipient: string | undefined;
  /** Recipients refused for being too many. */
  overshoot: number;
  readonly effects: Effects;
}

/** A message whose content is coming. `message` is undefined when it is to be thrown away. */
export interface Content {
  readonly transaction: Transaction;
  readonly decoder: DataDecoder;
  readonly message: IncomingMessage;
}

/** Where a session stands. Each phase has only what is true in it. */
export type Phase =
  | { readonly at: "ready" }
  | { readonly at: "transaction"; readonly transaction: Transaction }
  | { readonly at: "data"; readonly content: Content }
  /** Between BDAT chunks or inside one; `content` is undefined after an error: chunks are thrown away. */
  | { readonly at: "bdat"; readonly content: Content | undefined; readonly chunk: Chunk | undefined };

/** A BDAT chunk under way. */
export interface Chunk {
  readonly size: number;
  remaining: number;
  readonly last: boolean;
}

/** No transaction. */
export const READY: Phase = { at: "ready" };

/** The transaction that a phase is in, if any. */
export function transactionOf(phase: Phase): Transaction | undefined {
  switch (phase.at) {
    case "ready":
      return undefined;
    case "transaction":
      return phase.transaction;
    case "data":
      return phase.content.transaction;
    case "bdat":
      return phase.content?.transaction;
  }
}

/** A fresh set of effects. */
export function noEffects(): Effects {
  return { hold: false, discard: false, redirect: undefined, filter: undefined, bcc: [], prepend: [] };
}
