import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Reply } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import { onlyRecipient } from "../facts.ts";
import type { PhaseAt } from "../phase.ts";
import { askMilters, type MilterQuestion } from "./ask_milters.ts";
import { check } from "./ask_policy.ts";

/** Of several recipients the first is shown. */
function dataQuestion(phase: PhaseAt<"transaction">, stage: string): MilterQuestion {
  const [first] = phase.transaction.recipients;
  return { phase, stage, ...(first !== undefined && { subject: { recipient: first.original } }) };
}

/** What is said against content before it comes, by the policy and by milters. */
export function askData(context: Context, phase: PhaseAt<"transaction">): MaybeAsync<Reply | undefined> {
  return then(
    check(context, { phase, stage: "DATA", subject: onlyRecipient(phase) }),
    (refusal) =>
      refusal ??
        askMilters(context, dataQuestion(phase, context.where), (milters, macros) => milters.data(macros)),
  );
}
