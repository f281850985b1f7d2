import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { type MailCommand, parseMail, pathAfter } from "../../smtp/command.ts";
import { accept, defer, refuse, type Reply, replyText } from "../../smtp/reply.ts";
import { check } from "../ask_policy.ts";
import { overRate } from "../client_limits.ts";
import { factsOf } from "../facts.ts";
import { withheldParameter } from "./helo.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import { noEffects, type Transaction } from "../phase.ts";
import type { Session } from "../smtpd_session.ts";

const OK = outcomeOf(accept(250, "2.1.0", "Ok"));
const HELLO_FIRST = outcomeOf(refuse(503, "5.5.1", "Error: send HELO/EHLO first"));
const NESTED = outcomeOf(refuse(503, "5.5.1", "Error: nested MAIL command"));
const AFTER_BDAT = outcomeOf(refuse(503, "5.5.1", "Error: MAIL after BDAT"));
const BAD_SENDER = refuse(501, "5.1.7", "Bad sender address syntax");
const TOO_BIG = refuse(552, "5.3.4", "Message size exceeds fixed limit");
const NO_ROOM = defer(452, "4.3.1", "Insufficient system storage");
const DECLARE_UTF8 = outcomeOf(refuse(553, "5.6.7", "Must declare SMTPUTF8 to send unicode address"));

function transactionFor(
  session: Session,
  { from, parameters }: MailCommand,
  localHeaders: boolean,
): Transaction {
  return {
    sender: from,
    senderAsGiven: from,
    parameters,
    arrival: session.house.deps.clock.now(),
    localHeaders,
    id: undefined,
    recipients: [],
    lastRecipient: undefined,
    overshoot: 0,
    effects: noEffects(),
  };
}

function outOfPlace(session: Session): Outcome | undefined {
  if (session.settings.heloRequired && session.hello === undefined) return HELLO_FIRST;
  if (session.phase.at === "transaction") return NESTED;
  if (session.phase.at === "bdat") return session.phase.content === undefined ? AFTER_BDAT : NESTED;
  return undefined;
}

/** The grammar's refusal, with the log's warning for a path that could not be read. */
export function misread(
  session: Session,
  { reply, badPath }: { readonly reply: Reply; readonly badPath?: string },
) {
  if (badPath !== undefined) {
    const { clientText: client, where } = session;
    session.house.deps.log.emit("smtpd", "illegalAddress", { client, where, path: badPath });
  }
  return outcomeOf(reply);
}

const FILTER_MISSING = outcomeOf(defer(451, "4.3.0", "Error: queue file write error"));

function tooBig(session: Session, size: number): Reply | undefined {
  const limit = session.settings.messageSizeLimit;
  if (limit > 0 && size > limit) return TOO_BIG;
  return session.house.deps.hasRoom?.(size) === false ? NO_ROOM : undefined;
}

function enter(session: Session, transaction: Transaction): Outcome {
  const failed = session.settings.delayOpen ? undefined : openMessage(session, transaction);
  if (failed !== undefined) return failed;
  session.phase = { at: "transaction", transaction };
  return OK;
}

/**
 * Gives the transaction its queue id, and tells the log whose it is. Before-queue filters cannot be asked yet: mail that must pass
 * one waits at the client, as when the filter is down.
 */
export function openMessage(session: Session, transaction: Transaction): Outcome | undefined {
  if (session.settings.proxyFilter) return FILTER_MISSING;
  transaction.id = session.house.deps.newId();
  session.house.deps.log.emit("smtpd", "client", {
    id: transaction.id,
    client: session.clientText,
    saslMethod: session.login?.method,
    saslUsername: session.login?.username,
    saslSender: session.login === undefined ? undefined : transaction.parameters.auth,
    originalId: session.forwarded?.IDENT,
    originalClient: originalClient(session),
  });
}

function originalClient({ forwarded }: Session): string | undefined {
  if (forwarded?.NAME === undefined && forwarded?.ADDR === undefined) return undefined;
  const name = forwarded.NAME ?? "unknown";
  return forwarded.ADDR === undefined ? name : `${name}[${forwarded.ADDR}]`;
}

function judge(session: Session, given: MailCommand): MaybeAsync<Outcome> {
  const { access, probeSender } = session.house.deps;
  // A host that shares our address_verify_sender asks: what of it changes with time is nothing to judge by.
  const command = { ...given, from: probeSender?.recognize(given.from) ?? given.from };
  const subject = {
    sender: command.from,
    senderAsGiven: command.from,
    size: command.parameters.size ?? 0,
    smtputf8: command.parameters.smtputf8,
    saslSender: command.parameters.auth,
  };
  return then(access.headerContext(factsOf(session, subject)), (context) => {
    if (context.is === "trouble") return outcomeOf(context.refusal);
    const transaction = transactionFor(session, command, context.is === "local");
    return then(check(session, "MAIL", subject, transaction.effects), (refusal) => {
      if (refusal !== undefined) return outcomeOf(refusal);
      const big = tooBig(session, subject.size);
      if (big === undefined) return enter(session, transaction);
      session.house.logReject(session, "MAIL", replyText(big), subject);
      return outcomeOf(big);
    });
  });
}

/** Addresses that may lead elsewhere than they look: only those are worth asking the router about. */
const ROUTED = /[%!]|@.*@/;

/** Whether mail could go to an address at all, once its routing is undone; plain ones were judged when they were read. */
export function acceptable(
  session: Session,
  address: string,
  other: string | undefined,
  utf8: boolean,
): MaybeAsync<boolean> {
  if (!ROUTED.test(address)) return true;
  return session.house.deps.access.acceptsAddress(address, other, utf8);
}

/** MAIL FROM starts a transaction (RFC 5321 §4.1.1.2). Whatever has its form counts against the client's limit. */
export function mail(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  const misplaced = outOfPlace(session);
  if (misplaced !== undefined) return misplaced;
  if (!pathAfter("from:", words)) return read(session, words);
  return then(overRate(session, "mail"), (slow) => {
    return slow === undefined ? read(session, words) : outcomeOf(slow);
  });
}

function read(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  const withheld = withheldParameter(session, words);
  if (withheld !== undefined) return outcomeOf(withheld);
  const command = parseMail(words, session.settings.path);
  if (command.verb === "malformed") return misread(session, command);
  if (/[^\x00-\x7f]/.test(command.from)) {
    if (command.from.includes("\ufffd")) return misread(session, { reply: BAD_SENDER, badPath: words[2] });
    if (session.settings.strictSmtputf8 && !command.parameters.smtputf8) return DECLARE_UTF8;
  }
  const { from, parameters: { smtputf8 = false } } = command;
  return then(acceptable(session, from, undefined, smtputf8), (may) => {
    if (!may) return misread(session, { reply: BAD_SENDER, badPath: words[2] });
    return judge(session, command);
  });
}
