import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { isSite } from "../../address/site.ts";
import { defer, refuse } from "../../smtp/reply.ts";
import { check } from "../policy/ask_policy.ts";
import type { Context } from "../context.ts";
import type { PhaseAt } from "../phase.ts";
import { answer, type Step } from "../step.ts";

const SYNTAX = refuse(500, undefined, "Syntax: ETRN domain");
const BAD_PARAMETER = refuse(501, undefined, "Error: invalid parameter syntax");

/** ETRN (RFC 1985) is refused as Postfix refuses it for a domain that is not in fast_flush_domains: no flush log is kept. */
export function etrn(
  phase: PhaseAt<"ready">,
  context: Context,
  words: readonly string[],
): MaybeAsync<Step> {
  if (words.length !== 2) return answer(phase, SYNTAX);
  // `@` asks for a domain and its subdomains, `#` for a queue (RFC 1985 §5.3): Postfix takes both for the domain itself.
  const etrnDomain = words[1]!.replace(/^[@#]/, "");
  if (!isSite(etrnDomain)) return answer(phase, BAD_PARAMETER);
  return then(check(context, { phase, stage: "ETRN", subject: { etrnDomain } }), (refusal) => {
    if (refusal !== undefined) return answer(phase, refusal);
    const { log } = context.deps;
    log.note("smtpd", "warning", `reject: ETRN ${etrnDomain}... from ${context.clientText}`);
    return answer(phase, defer(459, undefined, `<${etrnDomain}>: service unavailable`));
  });
}
