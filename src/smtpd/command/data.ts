import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { accept, classed, refuse, type Reply } from "../../smtp/reply.ts";
import { askData } from "../policy/ask_data.ts";
import type { Context } from "../context.ts";
import { awaitsContent, type PhaseAt } from "../phase.ts";
import { answer, type Step } from "../step.ts";
import { beginContent } from "../message/submission.ts";

const GO_ON: Reply = accept(354, undefined, "End data with <CR><LF>.<CR><LF>");
const SYNTAX = refuse(501, "5.5.4", "Syntax: DATA");
/** Content for nobody (RFC 5321 §4.1.1.4). */
export const NO_RECIPIENTS = classed(refuse(554, "5.5.1", "Error: no valid recipients"), "none");

/** DATA (RFC 5321 §4.1.1.4). The reply 354 counts only when the message is in. */
export function data(
  phase: PhaseAt<"transaction">,
  context: Context,
  words: readonly string[],
  line: string,
): MaybeAsync<Step> {
  const { transaction } = phase;
  if (!awaitsContent(transaction)) return answer(phase, NO_RECIPIENTS);
  if (words.length > 1) return answer(phase, SYNTAX);
  const begin = (refusal: Reply | undefined): Step => {
    if (refusal !== undefined) return answer(phase, refusal);
    const content = beginContent(context, transaction, false);
    return { phase: { at: "data", content }, reply: GO_ON, counts: "neither" };
  };
  return then(askData(context, phase), (refusal) => {
    return refusal === undefined ? then(transaction.filter?.data(line), begin) : begin(refusal);
  });
}
