import type { Decision, Effect, Stage } from "../access/policy.ts";
import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";
import { type Reply, replyText } from "../smtp/reply.ts";
import { factsOf, type Subject } from "./facts.ts";
import { type Effects, transactionOf } from "./phase.ts";
import type { Session } from "./smtpd_session.ts";

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

function record(session: Session, stage: Stage, subject: Subject, decision: Decision): Reply | undefined {
  const { house } = session;
  // A client that XCLIENT makes is checked as if it had just connected; the log has the command.
  const where = stage === "CONNECT" ? session.where : stage;
  for (const warning of decision.warnings ?? []) house.deps.log.note("smtpd", "warning", warning);
  for (const { verb, text } of decision.notes) house.logNote(session, verb, where, text, subject);
  const { refusal } = decision;
  if (refusal !== undefined && !decision.logged) house.logReject(session, where, replyText(refusal), subject);
  return refusal;
}

function carryOut(
  session: Session,
  stage: Stage,
  subject: Subject,
  decision: Decision,
  effects: Effects | undefined,
) {
  const refusal = record(session, stage, subject, decision);
  let wait = 0;
  for (const effect of decision.effects) {
    if (effects !== undefined) apply(effects, effect);
    if (effect.is === "delay") wait += effect.seconds;
  }
  if (wait === 0) return refusal;
  return new Promise<Reply | undefined>((resolve) => {
    session.house.deps.clock.after(wait * 1000, () => resolve(refusal));
  });
}

/** Asks the access policy at a stage, logs what it notes, and carries its effects into the transaction. */
export function check(
  session: Session,
  stage: Stage,
  subject: Subject = {},
  effects: Effects | undefined = transactionOf(session.phase)?.effects,
): MaybeAsync<Reply | undefined> {
  const decision = session.policy.check(stage, factsOf(session, subject));
  return isPromise(decision)
    ? decision.then((made) => carryOut(session, stage, subject, made, effects))
    : carryOut(session, stage, subject, decision, effects);
}
