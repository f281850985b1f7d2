import { parsePath } from "../../address/path.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { accept, classed, refuse } from "../../smtp/reply.ts";
import { standingRefusal } from "../policy/ask_milters.ts";
import { check } from "../policy/ask_policy.ts";
import { overRate } from "../policy/client_limits.ts";
import type { Context } from "../context.ts";
import { misread } from "../policy/envelope_address.ts";
import { type CommandPhase, noEffects } from "../phase.ts";
import { answer, type Step } from "../step.ts";

const DISABLED = classed(refuse(502, "5.5.1", "VRFY command is disabled"), "policy");
const SYNTAX = refuse(501, "5.5.4", "Syntax: VRFY address [SMTPUTF8]");
const BAD_ADDRESS = refuse(501, "5.1.3", "Bad recipient address syntax");

/**
 * VRFY says whether the address would be taken, by the restrictions that hold for recipients (RFC 5321 §3.5.1); it counts as a
 * recipient.
 */
export function vrfy(phase: CommandPhase, context: Context, words: readonly string[]): MaybeAsync<Step> {
  if (context.settings.vrfyDisabled) return answer(phase, DISABLED);
  if (words.length < 2) return answer(phase, SYNTAX);
  return then(overRate(context, "recipient"), (slow) => {
    const refusal = slow ?? standingRefusal(context);
    return refusal === undefined ? read(phase, context, words) : answer(phase, refusal);
  });
}

function read(phase: CommandPhase, context: Context, words: readonly string[]): MaybeAsync<Step> {
  const { path } = context.settings;
  const utf8 = words.length > 2 && words.at(-1)!.toUpperCase() === "SMTPUTF8";
  const given = words.slice(1, utf8 ? -1 : undefined).join(" ");
  const recipient = words.length - Number(utf8) > 2 ? undefined : parsePath(given, { ...path, utf8 });
  if (recipient === undefined || recipient === "") {
    return misread(phase, context, { reply: BAD_ADDRESS, badPath: given });
  }
  const subject = { recipient, smtputf8: utf8 };
  const question = { phase, stage: "VRFY", subject, effects: noEffects() } as const;
  return then(check(context, question), (refusal) => answer(phase, refusal ?? accept(252, "2.0.0", given)));
}
