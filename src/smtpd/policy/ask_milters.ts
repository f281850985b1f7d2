import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { FilterChain } from "../../milter/filter_chain.ts";
import type { MacroSource } from "../../milter/macros.ts";
import type { Verdict } from "../../milter/verdict.ts";
import { classed, defer, type Refusal, replyText } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import { type Effects, transactionOf } from "../phase.ts";
import { macrosAbout, type MacroSubject } from "./milter_macros.ts";
import { logDecision } from "./reject_log.ts";

const CLOSING = classed(defer(421, "4.7.0", "Server closing connection"), "policy");
const LATER = classed(defer(454, "4.3.0", "Try again later"), "policy");

/** What milters are told of, and where what they ask for goes. */
export interface MilterQuestion extends MacroSubject {
  /** The command, as the log has it. */
  readonly stage: string;
  /** The transaction's when left out; none are kept where there is no transaction. */
  readonly effects?: Effects;
}

/**
 * Tells the client's milters of a command (smtpd_milters). The reply is what they say against it; a message that is thrown away
 * anyway is no business of theirs.
 */
export function askMilters(
  context: Context,
  question: MilterQuestion,
  tell: (milters: FilterChain, macros: MacroSource) => MaybeAsync<Verdict | undefined>,
): MaybeAsync<Refusal | undefined> {
  const { milters } = context.facts;
  if (milters === undefined || effectsOf(question)?.discard === true) return undefined;
  return then(
    tell(milters, macrosAbout(context, question)),
    (verdict) => verdict === undefined ? undefined : carryOut(context, question, verdict),
  );
}

function effectsOf({ effects, phase }: MilterQuestion): Effects | undefined {
  return effects ?? transactionOf(phase)?.effects;
}

function carryOut(context: Context, question: MilterQuestion, verdict: Verdict): Refusal | undefined {
  // A recipient that is refused already was told of for information.
  if (question.refused !== undefined) return undefined;
  const effects = effectsOf(question);
  const note = (verb: string, text: string) => {
    logDecision(context, question.phase, { verb, stage: question.stage, text, subject: question.subject });
  };
  switch (verdict.is) {
    case "hold":
    case "discard":
      if (effects !== undefined) effects[verdict.is] = true;
      note(`milter-${verdict.is}`, `milter triggers ${verdict.is.toUpperCase()} action`);
      return undefined;
    case "over":
      return undefined;
    case "shutdown":
      note("milter-reject", replyText(CLOSING));
      return CLOSING;
    case "refuse":
      note("milter-reject", verdict.text);
      return classed(verdict.reply, "policy");
  }
}

/** What is said to commands that milters are not told of once one has refused the session (sendmail's way). */
export function standingRefusal({ facts: { milters } }: Context): Refusal | undefined {
  const standing = milters?.standing;
  return standing?.is === "refuse" ? classed(standing.reply, "policy") : undefined;
}

/** The same for AUTH and STARTTLS, which have a reply of their own for what is to be tried again. */
export function standingRefusalFor(context: Context): Refusal | undefined {
  const refusal = standingRefusal(context);
  return refusal !== undefined && refusal.code < 500 ? LATER : refusal;
}
