import { printable } from "../../base/printable.ts";
import type { WaitingRecipient, WhyWaiting } from "../../master/control/why_waiting.ts";
import type { WaitingFor } from "../../qmgr/active_look.ts";
import { clockText } from "./clock_text.ts";
import { shownAddress } from "./_mailq_text.ts";

/** What a person is told of a message that waits, at this moment (milliseconds since 1970). */
export function whyText(why: WhyWaiting, options: { readonly nobody: string; readonly now: number }): string {
  const { nobody, now } = options;
  const { id, queue, size, sender, arrival, recipients, waiting } = why;
  const lines = [
    `${id}: ${queue}, ${size} bytes from ${shownAddress(sender === "" ? nobody : sender)}, ` +
    `in the queue since ${clockText(arrival)} (${span(now - arrival)})`,
    ...holdingLines(why, now).map((line) => `  ${line}`),
    ...recipients.map((each) => `  to ${recipientText(each)}`),
  ];
  if (waiting > recipients.length) lines.push(`  and ${waiting - recipients.length} more recipients`);
  return `${lines.join("\n")}\n`;
}

function holdingLines(why: WhyWaiting, now: number): readonly string[] {
  const { queue, expires, forcedExpire, requeue } = why;
  const lines = [...stateLines(why, now)];
  if (requeue) {
    lines.push(
      "it is to be rewritten and queued anew (postsuper -r), not delivered, when it is next looked at",
    );
  }
  if (forcedExpire) {
    const when = queue === "hold" ? "after its release" : "when it is next looked at";
    lines.push(`it is forced to expire (postsuper -e): returned to the sender ${when}`);
  } else if (queue !== "hold") {
    lines.push(
      expires <= now
        ? `its time in the queue is over since ${clockText(expires)}: an attempt that fails is the last one`
        : `an attempt that fails after ${
          moment(expires, now)
        } is the last one; then it is returned to the sender`,
    );
  }
  return lines;
}

function stateLines(
  { id, queue, nextAttempt, heldBy, user, active }: WhyWaiting,
  now: number,
): readonly string[] {
  switch (queue) {
    case "hold":
      if (heldBy === "operator") return [`an operator holds it, until: postsuper -H ${id}`];
      if (heldBy === "limit") {
        const name = user ?? "USER";
        return [
          `held for the sending limits of ${printable(name)}, until: mta user release ${printable(name)}`,
        ];
      }
      return [`an access rule or filter said HOLD, until: postsuper -H ${id}`];
    case "deferred":
      return [
        nextAttempt === undefined || nextAttempt <= now
          ? "the next attempt is due now"
          : `next attempt ${moment(nextAttempt, now)}; at once: postqueue -i ${id}`,
      ];
    case "incoming":
      return ["it waits for a place in the active queue (qmgr_message_active_limit)"];
    case "active":
      return activeLines(active, now);
  }
}

function activeLines(active: WhyWaiting["active"], now: number): readonly string[] {
  if (active === undefined) return ["its delivery begins"];
  if (active.destinations.length === 0) return ["its next hop is being looked for"];
  return active.destinations.map((each) => destinationText(each, now));
}

function destinationText(
  { transport, nexthop, withAgent, waiting, running, limit, pausedUntil }: WaitingFor,
  now: number,
): string {
  const where = `${printable(transport)}:${printable(nexthop)}`;
  const being = withAgent > 0 ? [`is being delivered to ${recipientsText(withAgent)} by ${where}`] : [];
  const pause = pausedUntil === undefined
    ? ""
    : `; nothing goes there before ${moment(pausedUntil, now)} (rate delay)`;
  const deliveries = `${running} of ${limit} deliveries there are under way`;
  const turn = waiting > 0
    ? [`${recipientsText(waiting)} wait for their turn at ${where}: ${deliveries}${pause}`]
    : [];
  return [...being, ...turn].join(", ");
}

const recipientsText = (count: number): string => `${count} recipient${count === 1 ? "" : "s"}`;

function recipientText({ address, status, why }: WaitingRecipient): string {
  if (why === undefined) return `${shownAddress(address)}: not tried yet, or the last attempt did not end`;
  return `${shownAddress(address)}: ${printable(status ?? "")} (${printable(why)})`;
}

function moment(time: number, now: number): string {
  return `${clockText(time)} (in ${span(time - now)})`;
}

const UNITS = [[86_400, "d"], [3600, "h"], [60, "m"], [1, "s"]] as const;

/** A stretch of time in its two largest units: `2h 3m`. */
function span(milliseconds: number): string {
  let left = Math.max(0, Math.round(milliseconds / 1000));
  const parts: string[] = [];
  for (const [seconds, unit] of UNITS) {
    const number = Math.floor(left / seconds);
    left -= number * seconds;
    if (number > 0) parts.push(`${number}${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0s";
}
