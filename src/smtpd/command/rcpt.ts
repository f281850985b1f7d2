import { originalRecipient } from "../../address/address.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { parseRcpt, pathAfter, type RcptCommand } from "../../smtp/command.ts";
import { accept, classed, defer, refuse, type Reply } from "../../smtp/reply.ts";
import { askMilters } from "../policy/ask_milters.ts";
import { check } from "../policy/ask_policy.ts";
import { overRate } from "../policy/client_limits.ts";
import type { Context } from "../context.ts";
import { acceptable, misread } from "../policy/envelope_address.ts";
import { openMessage } from "../message/open_message.ts";
import type { PhaseAt } from "../phase.ts";
import { answer, type Step } from "../step.ts";
import { withheldParameter } from "../policy/withheld.ts";

type InTransaction = PhaseAt<"transaction">;

const OK = accept(250, "2.1.5", "Ok");
const BAD_RECIPIENT = refuse(501, "5.1.3", "Bad recipient address syntax");
const TOO_MANY = classed(defer(452, "4.5.3", "Error: too many recipients"), "policy");
const DECLARE_UTF8 = classed(refuse(553, "5.6.7", "Must declare SMTPUTF8 to send unicode address"), "none");

/** One recipient too many; the first ones over the limit are no error, a sender may split its mail on them. */
function overshoot({ transaction }: InTransaction, { settings }: Context): Step {
  const forgiven = transaction.overshoot < settings.overshootLimit;
  return {
    phase: { at: "transaction", transaction: { ...transaction, overshoot: transaction.overshoot + 1 } },
    reply: TOO_MANY,
    counts: forgiven ? "good" : "bad",
  };
}

/** A recipient as the client wrote it. */
interface Given {
  readonly command: RcptCommand;
  readonly words: readonly string[];
  readonly line: string;
}

function take(phase: InTransaction, context: Context, { command, line }: Given): MaybeAsync<Step> {
  const { to, parameters: { notify, orcpt } } = command;
  // As the client gave it: what becomes of it later is not what the sender knows (RFC 3461 §4.2).
  const recipient = { address: to, original: to, notify, orcpt: orcpt ?? originalRecipient(to) };
  return then(openMessage(context, phase.transaction), (opened) => {
    if ("refusal" in opened) return answer(phase, opened.refusal);
    const { transaction } = opened;
    const stands = transaction === phase.transaction ? phase : { at: "transaction" as const, transaction };
    return then(transaction.filter?.recipient(line), (refusal) => {
      if (refusal !== undefined) return answer(stands, refusal);
      transaction.recipients.push(recipient);
      return answer(stands, OK);
    });
  });
}

/**
 * The address that our probes come from is taken unseen: two sites that verify each other's senders must not refuse each
 * other's probes (smtpd_rcpt_cmd). Only where it is ours: it is no way around the relay restrictions.
 */
function admit(phase: InTransaction, context: Context, given: Given): MaybeAsync<Step> {
  const { probeSender } = context.deps;
  const { command } = given;
  const plain = command.to === "" ? undefined : probeSender?.recognize(command.to);
  if (probeSender === undefined || plain === undefined) return judge(phase, context, given);
  const named = { ...given, command: { ...command, to: plain } };
  return then(
    probeSender.isOurs(),
    (ours) => ours ? tell(phase, context, named, undefined) : judge(phase, context, named),
  );
}

function judge(phase: InTransaction, context: Context, given: Given): MaybeAsync<Step> {
  const subject = { recipient: given.command.to };
  return then(
    check(context, { phase, stage: "RCPT", subject }),
    (refused) => tell(phase, context, given, refused),
  );
}

/** Milters are told of a recipient, those that want it also of one that is refused. */
function tell(
  phase: InTransaction,
  context: Context,
  given: Given,
  refused: Reply | undefined,
): MaybeAsync<Step> {
  const question = { phase, stage: "RCPT", subject: { recipient: given.command.to }, refused };
  const told = askMilters(context, question, (milters, macros) => {
    return milters.rcpt(given.words.slice(2), refused !== undefined, macros);
  });
  return then(told, (against) => {
    const refusal = refused ?? against;
    return refusal === undefined ? take(phase, context, given) : answer(phase, refusal);
  });
}

/** RCPT TO adds a recipient (RFC 5321 §4.1.1.3). Whatever has its form counts against the client's limit. */
export function rcpt(
  phase: InTransaction,
  context: Context,
  words: readonly string[],
  line: string,
): MaybeAsync<Step> {
  if (!pathAfter("to:", words)) return read(phase, context, words, line);
  return then(overRate(context, "recipient"), (slow) => {
    return slow === undefined ? read(phase, context, words, line) : answer(phase, slow);
  });
}

function read(
  phase: InTransaction,
  context: Context,
  words: readonly string[],
  line: string,
): MaybeAsync<Step> {
  const { settings } = context;
  const { transaction } = phase;
  const utf8 = transaction.parameters.smtputf8;
  const withheld = withheldParameter(context, words);
  if (withheld !== undefined) return answer(phase, withheld);
  const command = parseRcpt(words, utf8 ? { ...settings.path, utf8 } : settings.path);
  if (command.verb === "malformed") return misread(phase, context, command);
  const bad = () => misread(phase, context, { reply: BAD_RECIPIENT, badPath: words[2] });
  if (/[^\x00-\x7f]/.test(command.to)) {
    if (command.to.includes("\ufffd")) return bad();
    if (settings.strictSmtputf8 && !utf8) return answer(phase, DECLARE_UTF8);
  }
  if (transaction.recipients.length >= settings.recipientLimit) return overshoot(phase, context);
  return then(acceptable(context, command.to, transaction.sender, utf8 ?? false), (may) => {
    return may ? admit(phase, context, { command, words, line }) : bad();
  });
}
