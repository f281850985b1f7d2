import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { refuse } from "../../smtp/reply.ts";
import { overRate } from "../policy/client_limits.ts";
import type { Context } from "../context.ts";
import type { CommandPhase } from "../phase.ts";
import { answer, type Step } from "../step.ts";

const DISABLED = refuse(503, "5.5.1", "Error: authentication not enabled");

/** AUTH where no SASL is configured (RFC 4954); it counts all the same (smtpd_client_auth_rate_limit). */
export function auth(phase: CommandPhase, context: Context): MaybeAsync<Step> {
  return then(overRate(context, "auth"), (slow) => answer(phase, slow ?? DISABLED));
}
