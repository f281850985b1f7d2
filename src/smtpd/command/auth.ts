import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { refuse } from "../../smtp/reply.ts";
import { overRate } from "../client_limits.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import type { Session } from "../smtpd_session.ts";

const DISABLED = outcomeOf(refuse(503, "5.5.1", "Error: authentication not enabled"));

/** AUTH where no SASL is configured (RFC 4954); it counts all the same (smtpd_client_auth_rate_limit). */
export function auth(session: Session): MaybeAsync<Outcome> {
  return then(overRate(session, "auth"), (slow) => slow === undefined ? DISABLED : outcomeOf(slow));
}
