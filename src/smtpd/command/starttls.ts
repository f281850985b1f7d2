import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { accept, classed, defer, refuse } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import { type CommandPhase, READY, SECURING } from "../phase.ts";
import { standingRefusalFor } from "../policy/ask_milters.ts";
import { overTlsRate } from "../policy/client_limits.ts";
import { answer, type Step } from "../step.ts";
import { beginTls } from "../tls/begin_tls.ts";

const SYNTAX = refuse(501, "5.5.4", "Syntax: STARTTLS");
const ACTIVE = refuse(554, "5.5.1", "Error: TLS already active");
const DISABLED = refuse(502, "5.5.1", "Error: command not implemented");
const UNAVAILABLE = classed(defer(454, "4.7.0", "TLS not available due to local problem"), "software");
const READY_TO_START = accept(220, "2.0.0", "Ready to start TLS");

/** STARTTLS (RFC 3207), which may come at any time. It counts as good when the handshake has succeeded. */
export function starttls(
  phase: CommandPhase,
  context: Context,
  words: readonly string[],
): MaybeAsync<Step> {
  const { facts, settings } = context;
  if (words.length > 1) return answer(phase, SYNTAX);
  const standing = standingRefusalFor(context);
  if (standing !== undefined) return answer(phase, standing);
  if (facts.tls !== undefined) return answer(phase, ACTIVE);
  if (!settings.tls.offered || facts.withheld.has("STARTTLS")) return answer(phase, DISABLED);
  return then(beginTls(context, { atOnce: false, next: READY }), (after): MaybeAsync<Step> => {
    if (after === undefined) return answer(phase, UNAVAILABLE);
    return then(overTlsRate(context), (over): Step => {
      if (over) return tooMany(phase, context);
      return { phase: SECURING, reply: READY_TO_START, counts: "neither", after };
    });
  });
}

function tooMany(phase: CommandPhase, { deps: { log }, clientText, settings: { service } }: Context): Step {
  log.note("smtpd", "warning", `Refusing STARTTLS request from ${clientText} for service ${service}`);
  return answer(
    phase,
    classed(defer(454, "4.7.0", `Error: too many new TLS sessions from ${clientText}`), "policy"),
  );
}
