import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Context } from "../context.ts";
import type { PhaseAt } from "../phase.ts";
import { logDecision } from "./reject_log.ts";

/**
 * Counts a message of a user who has logged in; one that is over a limit (user_hourly_message_limit and its kin) is held, not lost, until
 * `mta user release`.
 */
export function limitSending(context: Context, phase: PhaseAt<"ended">): MaybeAsync<void> {
  const { deps: { sending }, facts: { login } } = context;
  const { transaction } = phase.content;
  if (sending === undefined || login === undefined || transaction.effects.discard) return;
  const recipients = transaction.recipients.map(({ address }) => address);
  return then(sending.sent(login.username, recipients), (over) => {
    if (over === undefined) return;
    transaction.effects.hold = transaction.effects.overLimit = true;
    const text = `<${login.username}>: Sending limit exceeded: ${over} ("mta user release" lets it go)`;
    logDecision(context, phase, { verb: "hold", stage: "END-OF-MESSAGE", text });
  });
}
