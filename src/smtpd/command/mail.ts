import type { Facts } from "../../access/policy.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { type MailCommand, parseMail, pathAfter } from "../../smtp/command.ts";
import { accept, classed, defer, refuse, type Reply, replyText } from "../../smtp/reply.ts";
import type { VerpRules } from "../../smtp/mail_parameters.ts";
import { mayUse } from "../policy/client_lists.ts";
import { askMilters } from "../policy/ask_milters.ts";
import { check } from "../policy/ask_policy.ts";
import { askChecking } from "../policy/ask_checking.ts";
import { askSigning } from "../policy/ask_signing.ts";
import { overRate } from "../policy/client_limits.ts";
import type { Context } from "../context.ts";
import { acceptable, misread } from "../policy/envelope_address.ts";
import { toldOf } from "../before_queue/told_of.ts";
import { factsOf } from "../facts.ts";
import { openMessage } from "../message/open_message.ts";
import { noEffects, type PhaseAt, type Transaction } from "../phase.ts";
import { logDecision } from "../policy/reject_log.ts";
import { answer, type Step } from "../step.ts";
import { withheldParameter } from "../policy/withheld.ts";

type Ready = PhaseAt<"ready">;

const OK = accept(250, "2.1.0", "Ok");
const BAD_SENDER = refuse(501, "5.1.7", "Bad sender address syntax");
const TOO_BIG = classed(refuse(552, "5.3.4", "Message size exceeds fixed limit"), "policy");
const NO_ROOM = classed(defer(452, "4.3.1", "Insufficient system storage"), "resource");
const NO_WRITES = classed(defer(451, "4.3.0", "Error: queue file write error"), "resource");
const VERP_FOR_NOBODY = classed(refuse(503, "5.5.4", "Error: XVERP requires non-null sender"), "none");
const DECLARE_UTF8 = classed(refuse(553, "5.6.7", "Must declare SMTPUTF8 to send unicode address"), "none");

/** The command, read and as the client wrote it. */
interface Given {
  readonly command: MailCommand;
  readonly words: readonly string[];
  readonly line: string;
}

function transactionFor(
  context: Context,
  { command: { from, parameters }, line }: Given,
  { localHeaders, signs, checked }: AboutMail,
): Transaction {
  const { clock, beginFiltered } = context.deps;
  return {
    sender: from,
    parameters,
    arrival: clock.now(),
    localHeaders,
    signs,
    checked,
    id: undefined,
    filter: beginFiltered?.(line, toldOf(context, localHeaders)),
    recipients: [],
    overshoot: 0,
    effects: noEffects(),
  };
}

function tooBig({ deps, settings }: Context, size: number): Reply | undefined {
  const limit = settings.messageSizeLimit;
  if (limit > 0 && size > limit) return TOO_BIG;
  const refusal = deps.queueRefusal?.(size);
  return refusal === undefined ? undefined : refusal.full ? NO_ROOM : NO_WRITES;
}

function begin(phase: Ready, context: Context, transaction: Transaction): MaybeAsync<Step> {
  if (context.settings.delayOpen) return answer({ at: "transaction", transaction }, OK);
  return then(
    openMessage(context, transaction),
    (opened) =>
      "refusal" in opened
        ? answer(phase, opened.refusal)
        : answer({ at: "transaction", transaction: opened.transaction }, OK),
  );
}

type AboutMail = Required<Pick<Transaction, "localHeaders" | "signs" | "checked">>;

/** What the client's mail is to us. */
function askAboutMail(
  context: Context,
  facts: Facts,
): MaybeAsync<AboutMail | { readonly refusal: Reply }> {
  return then(context.deps.access.headerContext(facts), (headers) => {
    if (headers.is === "trouble") return { refusal: headers.refusal };
    const localHeaders = headers.is === "local";
    return then(askSigning(context, facts), ({ signs, refusal }) => {
      if (refusal !== undefined) return { refusal };
      return then(askChecking(context, facts), (checked) => ({ localHeaders, signs, checked }));
    });
  });
}

function judge(phase: Ready, context: Context, given: Given): MaybeAsync<Step> {
  const { probeSender } = context.deps;
  const { from } = given.command;
  // A host that shares our address_verify_sender asks: what of it changes with time is nothing to judge by.
  const command = { ...given.command, from: probeSender?.recognize(from) ?? from };
  const subject = {
    sender: command.from,
    size: command.parameters.size ?? 0,
    smtputf8: command.parameters.smtputf8,
    saslSender: command.parameters.auth,
  };
  return then(askAboutMail(context, factsOf(context, phase, subject)), (mail) => {
    if ("refusal" in mail) return answer(phase, mail.refusal);
    const transaction = transactionFor(context, { ...given, command }, mail);
    const question = { phase, stage: "MAIL", subject, effects: transaction.effects } as const;
    const asked = then(
      check(context, question),
      (refusal) =>
        refusal ??
          askMilters(context, question, (milters, macros) => milters.mail(given.words.slice(2), macros)),
    );
    return then(asked, (refusal) => {
      if (refusal !== undefined) return answer(phase, refusal);
      const big = tooBig(context, subject.size);
      if (big === undefined) return begin(phase, context, transaction);
      logDecision(context, phase, { verb: "reject", stage: "MAIL", text: replyText(big), subject });
      return answer(phase, big);
    });
  });
}

/** MAIL FROM starts a transaction (RFC 5321 §4.1.1.2). Whatever has its form counts against the client's limit. */
export function mail(
  phase: Ready,
  context: Context,
  words: readonly string[],
  line: string,
): MaybeAsync<Step> {
  const given = { words, line };
  if (!pathAfter("from:", words)) return read(phase, context, given, undefined);
  return then(overRate(context, "mail"), (slow) => {
    if (slow !== undefined) return answer(phase, slow);
    return then(verpRules(context, words), (verp) => read(phase, context, given, verp));
  });
}

/** Where a client that uses XVERP may (smtpd_authorized_verp_clients). */
function verpRules(context: Context, words: readonly string[]): MaybeAsync<VerpRules | undefined> {
  if (!context.settings.xverp || !words.some((word) => /^XVERP(?:=|$)/i.test(word))) return undefined;
  return then(mayUse(context, "xverp"), (may) => may ? context.settings.verp : undefined);
}

function read(
  phase: Ready,
  context: Context,
  { words, line }: { readonly words: readonly string[]; readonly line: string },
  verp: VerpRules | undefined,
): MaybeAsync<Step> {
  const withheld = withheldParameter(context, words);
  if (withheld !== undefined) return answer(phase, withheld);
  const command = parseMail(words, context.settings.path, verp);
  if (command.verb === "malformed") return misread(phase, context, command);
  const bad = () => misread(phase, context, { reply: BAD_SENDER, badPath: words[2] });
  if (/[^\x00-\x7f]/.test(command.from)) {
    if (command.from.includes("\ufffd")) return bad();
    if (context.settings.strictSmtputf8 && !command.parameters.smtputf8) return answer(phase, DECLARE_UTF8);
  }
  const { from, parameters } = command;
  const { smtputf8 = false } = parameters;
  if (parameters.verp !== undefined && from === "") return answer(phase, VERP_FOR_NOBODY);
  return then(acceptable(context, from, undefined, smtputf8), (may) => {
    return may ? judge(phase, context, { command, words, line }) : bad();
  });
}
