import type { Recipient } from "../../queue/envelope.ts";
import type { DeliveryJob, DeliveryReport, Outcome } from "../agent.ts";
import { deliveredTo } from "./headers.ts";
import { interrupted } from "../outcomes.ts";

/** Delivers to the recipients of a job one after the other; `deliver` is told where the message has been already (local(8), virtual(8)). */
export async function eachRecipient(
  job: DeliveryJob,
  signal: AbortSignal,
  now: () => number,
  deliver: (recipient: Recipient, seen: ReadonlySet<string>) => Promise<Outcome>,
): Promise<DeliveryReport> {
  const start = now();
  const seen = await deliveredTo(job.content);
  const outcomes: Outcome[] = [];
  for (const { recipient } of job.recipients) {
    // Who has the message already must not get it again because the others have not.
    if (outcomes.length === 0) signal.throwIfAborted();
    outcomes.push(signal.aborted ? interrupted(job.transport) : await deliver(recipient, seen));
  }
  return { outcomes, setup: 0, transmission: now() - start };
}
