import type { Address } from "../address/address.ts";
import type { ContentSink, FilteredMail } from "./before_queue/filtered_mail.ts";
import type { ContentCheck } from "./authentication/content_check.ts";
import type { ClientName } from "../dns/reverse.ts";
import type { QueueId, Recipient } from "../queue/envelope.ts";
import type { DataDecoder } from "../smtp/data_decoder.ts";
import type { MailParameters } from "../smtp/mail_parameters.ts";
import type { AuthExchange, DialogueTexts } from "../sasl/auth_backend.ts";
import type { Reply } from "../smtp/reply.ts";

/** What access actions asked for in this transaction (access(5)). */
export interface Effects {
  hold: boolean;
  /** It is held for a limit of the user's. */
  overLimit: boolean;
  discard: boolean;
  redirect: string | undefined;
  filter: string | undefined;
  readonly bcc: string[];
  /** PREPENDed header lines, first one first. */
  readonly prepend: string[];
}

/** A mail transaction: a sender, and the recipients so far. */
export interface Transaction {
  readonly sender: Address;
  readonly parameters: MailParameters;
  readonly arrival: number;
  /** The client's headers are completed like our own (local_header_rewrite_clients). */
  readonly localHeaders: boolean;
  /** The client's mail is signed (dkim_signing_clients). */
  readonly signs?: boolean;
  /** The content is checked (mail_authentication). */
  readonly checked?: boolean;
  /** Given at the first good recipient, or at MAIL without smtpd_delay_open_until_valid_rcpt. */
  readonly id: QueueId | undefined;
  /** The filter that it goes to instead of the queue (smtpd_proxy_filter): it gets no queue id then. */
  readonly filter: FilteredMail | undefined;
  /** Grows in place, as the effects do: a copy for each RCPT would make a long list quadratic. */
  readonly recipients: Recipient[];
  /** Recipients refused for being too many. */
  readonly overshoot: number;
  readonly effects: Effects;
}

/** A message whose content is coming. */
export interface Content {
  readonly transaction: Transaction;
  readonly decoder: DataDecoder;
  readonly message: ContentSink;
  /** Hears of the content as it comes. */
  readonly check?: ContentCheck;
}

/** A BDAT chunk under way. */
interface Chunk {
  readonly size: number;
  readonly remaining: number;
  readonly last: boolean;
}

/**
 * Where a session stands. Each phase has only what is true in it, and says what the next bytes of the client are: nothing yet,
 * command lines, content of a message. What is done in each is in `proceed.ts`.
 */
export type Phase =
  /** The client's name is not known, and the log does not know the client. */
  | { readonly at: "arriving" }
  | { readonly at: "named"; readonly name: ClientName }
  /** TLS begins before anything is said (wrapper mode). */
  | { readonly at: "wrapping" }
  /** A handshake is under way. */
  | { readonly at: "securing" }
  /** Whether its connections are counted. */
  | { readonly at: "counting" }
  | { readonly at: "limiting" }
  | { readonly at: "welcoming" }
  /** Refused at the greeting (smtpd_delay_reject = no): everything but QUIT gets 503. */
  | { readonly at: "denied" }
  | { readonly at: "ready" }
  /** A login under way: the next line is the response to a challenge, and nothing else (RFC 4954 §4). */
  | {
    readonly at: "authenticating";
    /** Where the session stood, and will stand again. */
    readonly back: { readonly at: "ready" | "discarding" };
    /** As the client spells it. */
    readonly mechanism: string;
    readonly exchange: AuthExchange;
    readonly texts: DialogueTexts;
  }
  | { readonly at: "transaction"; readonly transaction: Transaction }
  | { readonly at: "data"; readonly content: Content }
  /** Between BDAT chunks. */
  | { readonly at: "bdat"; readonly content: Content }
  | { readonly at: "chunk"; readonly content: Content; readonly chunk: Chunk }
  /** After an error with BDAT: chunks are thrown away until LAST or RSET. */
  | { readonly at: "discarding" }
  | { readonly at: "skipping"; readonly chunk: Chunk; readonly reply: Reply }
  /** The content is here; the last questions are asked. */
  | { readonly at: "ended"; readonly content: Content; readonly by: "data" | "bdat" }
  /** The store decides: a client that hangs up now must not tear the message away. */
  | { readonly at: "committing"; readonly content: Content; readonly by: "data" | "bdat" };

/** The phase of a name. */
export type PhaseAt<At extends Phase["at"]> = Extract<Phase, { readonly at: At }>;

/** The phases in which all commands are known. */
export type CommandPhase = PhaseAt<"ready" | "transaction" | "bdat" | "discarding">;

/** The phases in which lines are commands. */
export type LinePhase = CommandPhase | PhaseAt<"denied">;

/** Until the handshake is over. */
export const SECURING: PhaseAt<"securing"> = { at: "securing" };

/** No transaction. */
export const READY: PhaseAt<"ready"> = { at: "ready" };

/** The transaction that a phase is in, if any. */
export function transactionOf(phase: Phase): Transaction | undefined {
  switch (phase.at) {
    case "transaction":
      return phase.transaction;
    case "data":
    case "bdat":
    case "chunk":
    case "ended":
      return phase.content.transaction;
    default:
      return undefined;
  }
}

/** Whether content may follow: it is open at the queue or at a filter, and somebody is to get it. */
export function awaitsContent({ id, filter, recipients }: Transaction): boolean {
  return (id !== undefined || filter?.isOpen === true) && recipients.length > 0;
}

/** The message that is lost when the session leaves the phase for one that does not have it. */
export function messageOf(phase: Phase): ContentSink | undefined {
  switch (phase.at) {
    case "data":
    case "bdat":
    case "chunk":
    case "ended":
      return phase.content.message;
    default:
      return undefined;
  }
}

/** The check of that message. */
function checkOf(phase: Phase): ContentCheck | undefined {
  switch (phase.at) {
    case "data":
    case "bdat":
    case "chunk":
    case "ended":
      return phase.content.check;
    default:
      return undefined;
  }
}

/** What a session leaves unfinished when it ends in a phase is given up. */
export function giveUp(phase: Phase): void {
  messageOf(phase)?.abort();
  checkOf(phase)?.abort();
  transactionOf(phase)?.filter?.close();
  if (phase.at === "authenticating") phase.exchange.abort();
}

/** Whether the next bytes are a command, or a line that belongs to one. */
export function isAtLine({ at }: Phase): boolean {
  return at === "ready" || at === "denied" || at === "transaction" || at === "bdat" || at === "discarding" ||
    at === "authenticating";
}

/** Whether the next bytes are content, not commands. */
export function isContent(phase: Phase): boolean {
  return phase.at === "data" || phase.at === "chunk" || phase.at === "skipping";
}

/** A fresh set of effects. */
export function noEffects(): Effects {
  return {
    hold: false,
    overLimit: false,
    discard: false,
    redirect: undefined,
    filter: undefined,
    bcc: [],
    prepend: [],
  };
}
