import { verpSender } from "../address/verp.ts";
import { systemErrorText } from "../platform/system_error.ts";
import type { Agent, DeliveryReport, Outcome } from "../delivery/agent.ts";
import type { Program } from "../observe/event.ts";
import type { Log } from "../observe/log.ts";
import { type Envelope, onlyAsks, type Recipient } from "../queue/envelope.ts";
import type { ActiveMessage } from "./active_message.ts";
import type { ActiveQueue } from "./active_queue.ts";
import { applyOutcome, type OutcomeRules, recipientOf } from "./apply_outcome.ts";
import { delayed } from "./assign.ts";
import { delayTexts, deliveryFields, type LineContext } from "./delivery_line.ts";
import type { Delivery } from "./transport.ts";

/** A delivery that is over, as it is booked. */
export interface Recorded {
  /** Program name in the log line. */
  readonly agent: Program;
  readonly log: Log;
  /** "" for outcomes that no agent had a part in. */
  readonly transport: string;
  readonly handoff: number;
  readonly report: DeliveryReport;
}

/** A recipient as the agent sees it: with the address that routing made of it. */
function resolvedRecipient(message: ActiveMessage, index: number): Recipient {
  const recipient = message.envelope.recipients[index]!;
  const address = message.resolved?.get(index);
  return address === undefined ? recipient : { ...recipient, address };
}

function allDeferred(delivery: Delivery, text: string): DeliveryReport {
  const outcome: Outcome = { is: "deferred", relay: "none", detail: delayed("4.3.0", text) };
  return { outcomes: delivery.recipients.map(() => outcome), setup: 0, transmission: 0 };
}

/**
 * Lets an agent deliver. Never rejects: an agent's fault defers its recipients; undefined when the service is stopping and
 * the recipients are to be put back.
 */
export async function runDelivery(
  agent: Agent,
  delivery: Delivery,
  active: ActiveQueue,
  { signal, log, handingOver }: {
    readonly signal: AbortSignal;
    readonly log: Log;
    readonly handingOver: () => void;
  },
): Promise<DeliveryReport | undefined> {
  const { message, transport, destination } = delivery;
  try {
    const content = message.content ?? await active.content(message);
    return await agent.deliver({
      envelope: outgoingEnvelope(message, delivery.recipients),
      recipients: delivery.recipients.map((index) => ({
        index,
        recipient: resolvedRecipient(message, index),
      })),
      transport: transport.name,
      nexthop: destination.nexthop,
      content,
      more: delivery.more,
      handingOver,
    }, signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    log.note(
      "qmgr",
      "warning",
      `${message.id}: transport ${transport.name} failed: ${systemErrorText(error)}`,
    );
    return allDeferred(delivery, "unknown mail transport error");
  }
}

/** What recording needs of the manager's surroundings. */
interface RecordingWorld {
  readonly clock: { now(): number };
  readonly settings: OutcomeRules & {
    readonly delay_logging_resolution_limit: number;
    readonly address_verify_negative_cache: boolean;
  };
  readonly hooks?: {
    readonly outcome?: (transport: string, is: Outcome["is"], delay: number) => void;
  };
}

/** Logs and books the outcomes of a delivery, one line per recipient or part. */
export function recordOutcomes(
  message: ActiveMessage,
  recipients: readonly number[],
  recorded: Recorded,
  world: RecordingWorld,
): void {
  const { report } = recorded;
  const { soft_bounce, delay_logging_resolution_limit } = world.settings;
  const done = world.clock.now();
  const { arrival } = message.envelope;
  const texts = delayTexts({
    arrival,
    active: message.activeSince,
    handoff: recorded.handoff,
    done,
    setup: report.setup,
    transmission: report.transmission,
  }, delay_logging_resolution_limit);
  const context: LineContext = {
    id: message.id,
    ...texts,
    connectionUse: report.connectionUse,
    softBounce: soft_bounce,
    asks: asked(message, world),
  };
  for (let i = 0; i < recipients.length; i++) {
    const recipient = resolvedRecipient(message, recipients[i]!);
    const outcome = report.outcomes[i] ?? missingOutcome();
    logLines(recorded, context, recipient, outcome);
    if (message.probe !== undefined) {
      message.probe.outcome(recipient, outcome);
      continue;
    }
    applyOutcome(message, recipients[i]!, recipient, outcome, world.settings);
    world.hooks?.outcome?.(recorded.transport, outcome.is, done - arrival);
  }
}

function asked(message: ActiveMessage, { settings }: RecordingWorld): LineContext["asks"] {
  if (message.probe === undefined) return onlyAsks(message.envelope) ? "reported" : undefined;
  return settings.address_verify_negative_cache ? "cached" : "only successes cached";
}

/** The envelope as the agent sees it: with VERP the sender names the one recipient that there is (VERP_README). */
function outgoingEnvelope({ envelope }: ActiveMessage, recipients: readonly number[]): Envelope {
  const recipient = envelope.verp === undefined ? undefined : envelope.recipients[recipients[0]!];
  if (recipient === undefined) return envelope;
  const { original, address } = recipient;
  const sender = verpSender(envelope.sender, envelope.verp!, original === "" ? address : original);
  return { ...envelope, sender };
}

function missingOutcome(): Outcome {
  return { is: "deferred", relay: "none", detail: delayed("4.3.0", "unknown mail transport error") };
}

function logLines(recorded: Recorded, context: LineContext, recipient: Recipient, outcome: Outcome): void {
  if (outcome.parts === undefined) {
    const fields = deliveryFields(context, recipient, recipient.address, outcome);
    recorded.log.emit(recorded.agent, "delivery", fields);
    return;
  }
  for (const part of outcome.parts) {
    recorded.log.emit(
      part.by ?? recorded.agent,
      "delivery",
      deliveryFields(context, recipientOf(part, recipient), part.address, part.outcome),
    );
  }
}
