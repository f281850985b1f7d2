import type { Decision, Effect, Stage } from "../../access/policy.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import { classed, type Reply, replyText } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import { factsOf, type Subject } from "../facts.ts";
import { gatewayRemark } from "./gateway_remark.ts";
import { type Effects, type Phase, transactionOf } from "../phase.ts";
import { logDecision } from "./reject_log.ts";

/** What the policy is asked: where the session stands, and what the question is about. */
export interface Question {
  readonly phase: Phase;
  readonly stage: Stage;
  readonly subject?: Subject;
  /** Where the effects of the decision go; the transaction of the phase when left out. */
  readonly effects?: Effects;
  /** Is told of the decision. */
  readonly heard?: (decision: Decision) => void;
}

function apply(effects: Effects, effect: Effect): void {
  switch (effect.is) {
    case "hold":
    case "discard":
      effects[effect.is] = true;
      break;
    case "redirect":
    case "filter":
      effects[effect.is] = effect.text;
      break;
    case "prepend":
    case "bcc":
      effects[effect.is].push(effect.text);
      break;
    case "delay":
      break;
  }
}

function record(
  context: Context,
  { phase, stage, subject }: Question,
  decision: Decision,
): Reply | undefined {
  const { log } = context.deps;
  // A client that XCLIENT makes is checked as if it had just connected; the log has the command.
  const where = stage === "CONNECT" ? context.where : stage;
  for (const warning of decision.warnings ?? []) log.note("smtpd", "warning", warning);
  for (const { verb, text } of decision.notes) {
    logDecision(context, phase, { verb, stage: where, text, subject });
  }
  const { refusal } = decision;
  if (refusal !== undefined) {
    const text = replyText(refusal);
    logDecision(context, phase, {
      verb: "reject",
      stage: where,
      text,
      subject,
      remark: gatewayRemark(context, text),
    });
  }
  return refusal === undefined ? undefined : classed(refusal, refusal.errorClass ?? "policy");
}

function carryOut(context: Context, question: Question, decision: Decision): MaybeAsync<Reply | undefined> {
  question.heard?.(decision);
  const refusal = record(context, question, decision);
  const effects = question.effects ?? transactionOf(question.phase)?.effects;
  let wait = 0;
  for (const effect of decision.effects) {
    if (effects !== undefined) apply(effects, effect);
    if (effect.is === "delay") wait += effect.seconds;
  }
  if (wait === 0) return refusal;
  return new Promise<Reply | undefined>((resolve) => {
    context.deps.clock.after(wait * 1000, () => resolve(refusal));
  });
}

/** Asks the access policy, logs what it notes, and carries its effects into the transaction. */
export function check(context: Context, question: Question): MaybeAsync<Reply | undefined> {
  const { phase, stage, subject } = question;
  const decision = context.policy.check(stage, factsOf(context, phase, subject));
  return isPromise(decision)
    ? decision.then((made) => carryOut(context, question, made))
    : carryOut(context, question, decision);
}
