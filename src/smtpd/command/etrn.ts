import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { isSite } from "../../address/site.ts";
import { accept, classed, defer, refuse, type Reply } from "../../smtp/reply.ts";
import { standingRefusal } from "../policy/ask_milters.ts";
import { check } from "../policy/ask_policy.ts";
import type { Context } from "../context.ts";
import type { PhaseAt } from "../phase.ts";
import { answer, type Step } from "../step.ts";

const SYNTAX = refuse(500, undefined, "Syntax: ETRN domain");
const STARTED = accept(250, undefined, "Queuing started");
const UNABLE = classed(defer(458, undefined, "Unable to queue messages"), "none");
const BAD_PARAMETER = refuse(501, undefined, "Error: invalid parameter syntax");

/** ETRN (RFC 1985): the deferred mail for a site of fast_flush_domains goes out now. */
export function etrn(
  phase: PhaseAt<"ready">,
  context: Context,
  words: readonly string[],
): MaybeAsync<Step> {
  const standing = standingRefusal(context);
  if (standing !== undefined) return answer(phase, standing);
  if (words.length !== 2) return answer(phase, SYNTAX);
  // `@` asks for a domain and its subdomains, `#` for a queue (RFC 1985 §5.3): Postfix takes both for the domain itself.
  const etrnDomain = words[1]!.replace(/^[@#]/, "");
  if (!isSite(etrnDomain)) return answer(phase, BAD_PARAMETER);
  return then(check(context, { phase, stage: "ETRN", subject: { etrnDomain } }), (refusal) => {
    if (refusal !== undefined) return answer(phase, refusal);
    return then(flush(context, etrnDomain), (reply) => answer(phase, reply));
  });
}

function flush({ deps: { flushSite, log }, clientText }: Context, site: string): MaybeAsync<Reply> {
  const unable = (why: string) => {
    log.note("smtpd", "warning", why);
    return UNABLE;
  };
  if (flushSite === undefined) return unable('do not use ETRN in "sendmail -bs" mode');
  return then(flushSite(site), (done) => {
    if (done === "started") return STARTED;
    if (done === "failed") return unable("unable to talk to fast flush service");
    log.note("smtpd", "warning", `reject: ETRN ${site.slice(0, 100)}... from ${clientText}`);
    return classed(defer(459, undefined, `<${site}>: service unavailable`), "none");
  });
}
