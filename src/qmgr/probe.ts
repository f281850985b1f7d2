import type { Outcome } from "../delivery/agent.ts";
import type { Envelope, Recipient } from "../queue/envelope.ts";
import type { Content } from "../queue/store.ts";

/** A message that is routed and handed to an agent like any other, but asks only whether it could be delivered (verify(8)). */
export interface Probe {
  readonly envelope: Envelope;
  readonly content: Content;
  /** One recipient's outcome: it is neither stored, nor reported, nor tried again. */
  outcome(recipient: Recipient, outcome: Outcome): void;
  /** The probe is over. `lost`: put aside without an outcome, as the service stops. */
  ended(lost?: "lost"): void;
}
