import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { parseRcpt, pathAfter, type RcptCommand } from "../../smtp/command.ts";
import { accept, defer, refuse } from "../../smtp/reply.ts";
import { check } from "../ask_policy.ts";
import { overRate } from "../client_limits.ts";
import { acceptable, misread, openMessage } from "./mail.ts";
import { withheldParameter } from "./helo.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import type { Transaction } from "../phase.ts";
import type { Session } from "../smtpd_session.ts";

const OK = outcomeOf(accept(250, "2.1.5", "Ok"));
const NEED_MAIL = outcomeOf(refuse(503, "5.5.1", "Error: need MAIL command"));
const AFTER_BDAT = outcomeOf(refuse(503, "5.5.1", "Error: RCPT after BDAT"));
const BAD_RECIPIENT = refuse(501, "5.1.3", "Bad recipient address syntax");
const TOO_MANY = defer(452, "4.5.3", "Error: too many recipients");
const DECLARE_UTF8 = outcomeOf(refuse(553, "5.6.7", "Must declare SMTPUTF8 to send unicode address"));

/** One recipient too many; the first ones over the limit are no error, a sender may split its mail on them. */
function overshoot(session: Session, transaction: Transaction): Outcome {
  const forgiven = transaction.overshoot++ < session.settings.overshootLimit;
  return { reply: TOO_MANY, counts: forgiven ? "good" : "bad" };
}

function take(session: Session, transaction: Transaction, { to, parameters }: RcptCommand): Outcome {
  const failed = transaction.id === undefined ? openMessage(session, transaction) : undefined;
  if (failed !== undefined) return failed;
  const { notify, orcpt } = parameters;
  transaction.recipients.push(
    orcpt === undefined
      ? { address: to, original: to, notify }
      : { address: to, original: to, notify, orcpt },
  );
  transaction.lastRecipient = to;
  return OK;
}

/**
 * The address that our probes come from is taken unseen: two sites that verify each other's senders must not refuse each
 * other's probes (smtpd_rcpt_cmd). Only where it is ours: it is no way around the relay restrictions.
 */
function admit(session: Session, transaction: Transaction, command: RcptCommand): MaybeAsync<Outcome> {
  const { probeSender } = session.house.deps;
  const plain = command.to === "" ? undefined : probeSender?.recognize(command.to);
  if (probeSender === undefined || plain === undefined) return judge(session, transaction, command);
  const named = { ...command, to: plain };
  return then(
    probeSender.isOurs(),
    (ours) => ours ? take(session, transaction, named) : judge(session, transaction, named),
  );
}

function judge(session: Session, transaction: Transaction, command: RcptCommand): MaybeAsync<Outcome> {
  const subject = { recipient: command.to, recipientAsGiven: command.to };
  return then(check(session, "RCPT", subject, transaction.effects), (refusal) => {
    if (refusal !== undefined) return outcomeOf(refusal);
    return take(session, transaction, command);
  });
}

/** RCPT TO adds a recipient (RFC 5321 §4.1.1.3). Whatever has its form counts against the client's limit. */
export function rcpt(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  const { phase } = session;
  if (phase.at === "bdat") return phase.content === undefined ? NEED_MAIL : AFTER_BDAT;
  if (phase.at !== "transaction") return NEED_MAIL;
  const { transaction } = phase;
  if (!pathAfter("to:", words)) return read(session, transaction, words);
  return then(overRate(session, "recipient"), (slow) => {
    return slow === undefined ? read(session, transaction, words) : outcomeOf(slow);
  });
}

function read(session: Session, transaction: Transaction, words: readonly string[]): MaybeAsync<Outcome> {
  const { settings } = session;
  const utf8 = transaction.parameters.smtputf8;
  const withheld = withheldParameter(session, words);
  if (withheld !== undefined) return outcomeOf(withheld);
  const command = parseRcpt(words, utf8 ? { ...settings.path, utf8 } : settings.path);
  if (command.verb === "malformed") return misread(session, command);
  if (/[^\x00-\x7f]/.test(command.to)) {
    if (command.to.includes("\ufffd")) return misread(session, { reply: BAD_RECIPIENT, badPath: words[2] });
    if (settings.strictSmtputf8 && !utf8) return DECLARE_UTF8;
  }
  if (transaction.recipients.length >= settings.recipientLimit) return overshoot(session, transaction);
  return then(acceptable(session, command.to, transaction.sender, utf8 ?? false), (may) => {
    if (!may) return misread(session, { reply: BAD_RECIPIENT, badPath: words[2] });
    return admit(session, transaction, command);
  });
}
