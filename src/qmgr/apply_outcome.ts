import type { Outcome, Part } from "../delivery/agent.ts";
import { memberOf, NOTIFY, onlyAsks, type Recipient } from "../queue/envelope.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { ActiveMessage } from "./active_message.ts";

/** What a report says of a delivery: how, then the agent's words (bounce(8)). */
function reportedDetail(outcome: Outcome): RecipientDetail {
  const { relay, detail } = outcome;
  return relay === "none" ? detail : { ...detail, text: `delivery via ${relay}: ${detail.text}` };
}

/** With soft_bounce a permanent failure is deferred, its status turned temporary (postconf(5)). */
function softened(outcome: Outcome, softBounce: boolean): Outcome {
  if (outcome.is !== "bounced" || !softBounce) return outcome;
  const { detail } = outcome;
  const status = detail.status.startsWith("5") ? `4${detail.status.slice(1)}` : detail.status;
  return { ...outcome, is: "deferred", detail: { ...detail, status, action: "delayed" } };
}

/** The failures among an expanded recipient's parts, as one detail; undefined when none failed. */
function partFailure(outcome: Outcome): RecipientDetail | undefined {
  const failed = (outcome.parts ?? []).filter((part) => part.outcome.is === "bounced")
    .map(({ address, owner, member, outcome: { detail } }) => ({
      ...detail,
      address,
      ...(owner !== undefined && { owner }),
      ...(member && { member }),
    }));
  const [first, ...others] = failed;
  if (first === undefined) return undefined;
  return others.length === 0 ? first : { ...first, others };
}

/** The reason of the first part that is deferred. */
function partDelay(outcome: Outcome): RecipientDetail | undefined {
  const part = (outcome.parts ?? []).find((each) => each.outcome.is === "deferred");
  return part === undefined ? undefined : { ...part.outcome.detail, address: part.address };
}

/** The parameters that change what an outcome means. */
export interface OutcomeRules {
  readonly soft_bounce: boolean;
  readonly confirm_delay_cleared: boolean;
}

/** The sender was told of a delay and is to hear of its end (confirm_delay_cleared). */
function clearsDelay(message: ActiveMessage, recipient: Recipient, rules: OutcomeRules): boolean {
  return rules.confirm_delay_cleared && message.warned &&
    (recipient.notify === 0 || (recipient.notify & NOTIFY.delay) !== 0);
}

/** A success report is due: asked for, and nobody else took it over (RFC 3461 §4.1). */
function reportsSuccess(
  message: ActiveMessage,
  outcome: Outcome,
  recipient: Recipient,
  rules: OutcomeRules,
): boolean {
  if (clearsDelay(message, recipient, rules)) return outcome.is === "sent";
  if ((recipient.notify & NOTIFY.success) === 0) return false;
  if (outcome.is === "sent") return outcome.passedOn !== true;
  // What a recipient was expanded to may have failed; the expansion has not.
  const { action } = outcome.detail;
  return action === "expanded" || action === "delivered";
}

/** What a report on the whole attempt says of it (sendmail -bv, -v); `asks`: what would be, not what is. */
function tracedDetail(outcome: Outcome, asks: boolean, softBounce: boolean): RecipientDetail {
  if (asks) {
    const action = outcome.is === "sent" ? "deliverable" : "undeliverable";
    return { ...reportedDetail(outcome), action };
  }
  return reportedDetail(softened(outcome, softBounce));
}

/** Every final delivery of a recipient, as the log has it. */
const partsOf = (outcome: Outcome, address: string): readonly Part[] =>
  outcome.parts ?? [{ address, outcome }];

/** The recipient as a part of it is told of. */
export function recipientOf({ member }: Part, recipient: Recipient): Recipient {
  return member ? memberOf(recipient) : recipient;
}

/** Notes for the report what became of a recipient, or would. */
function trace(message: ActiveMessage, recipient: Recipient, outcome: Outcome, softBounce: boolean): void {
  const asks = onlyAsks(message.envelope);
  for (const part of partsOf(outcome, recipient.address)) {
    const detail = { ...tracedDetail(part.outcome, asks, softBounce), address: part.address };
    message.traced?.push({ recipient: recipientOf(part, recipient), detail });
  }
}

/** Books an outcome: into the message's lists of this run, and what the store is to know of it. */
export function applyOutcome(
  message: ActiveMessage,
  index: number,
  recipient: Recipient,
  agentOutcome: Outcome,
  rules: OutcomeRules,
): void {
  const softBounce = rules.soft_bounce;
  if (message.traced !== undefined) trace(message, recipient, agentOutcome, softBounce);
  if (onlyAsks(message.envelope)) return;
  const outcome = softened(agentOutcome, softBounce);
  const failure = partFailure(outcome);
  if (outcome.is === "deferred") {
    message.deferred.push({ index, detail: partDelay(outcome) ?? outcome.detail });
    if (failure !== undefined && !softBounce) message.partFailures.push({ recipient, detail: failure });
    return;
  }
  const success = reportsSuccess(message, outcome, recipient, rules) ? reportedDetail(outcome) : undefined;
  if (success !== undefined) {
    message.successes.push({ index, detail: success });
    message.traced?.push({ recipient, detail: success });
  }
  if (outcome.is === "sent") {
    message.unrecorded.push({
      index,
      state: success === undefined ? { is: "done" } : { is: "sent", report: success },
    });
    return;
  }
  const report = failure ?? outcome.detail;
  message.failures.push({ index, detail: report });
  message.unrecorded.push({ index, state: { is: "failed", report } });
}
