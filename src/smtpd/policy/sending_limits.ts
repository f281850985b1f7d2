import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { classed, defer, type Reply, replyText } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import type { PhaseAt } from "../phase.ts";
import { logDecision } from "./reject_log.ts";

const UNKNOWN = classed(
  defer(451, "4.3.0", "Error: sending limits cannot be looked up, try again later"),
  "resource",
);

/**
 * Counts a message of a user who has logged in; one that is over a limit (user_hourly_message_limit and its kin) is held, not lost, until
 * `mta user release`. Without an answer the message is refused for now: the client keeps it, and a limit that is not known is not passed.
 */
export function limitSending(context: Context, phase: PhaseAt<"ended">): MaybeAsync<Reply | undefined> {
  const { deps: { sending }, facts: { login } } = context;
  const { transaction } = phase.content;
  if (sending === undefined || login === undefined || transaction.effects.discard) return;
  const recipients = transaction.recipients.map(({ address }) => address);
  const note = (verb: string, text: string) =>
    logDecision(context, phase, { verb, stage: "END-OF-MESSAGE", text });
  return then(sending.sent(login.username, recipients), (verdict) => {
    if (verdict.is === "within") return undefined;
    if (verdict.is === "unknown") {
      note("reject", replyText(UNKNOWN));
      return UNKNOWN;
    }
    // What an access action holds as well is not for the user's release.
    const { effects } = transaction;
    effects.overLimit = !effects.hold;
    effects.hold = true;
    const end = effects.overLimit ? ' ("mta user release" lets it go)' : "";
    note("hold", `<${login.username}>: Sending limit exceeded: ${verdict.over}${end}`);
    return undefined;
  });
}
