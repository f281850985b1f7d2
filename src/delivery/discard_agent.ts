import type { Agent, Outcome } from "./agent.ts";

/** The agent that throws mail away and says so: the next hop is the reason (discard(8)). */
export function createDiscardAgent(): Agent {
  return {
    program: "discard",
    deliver({ recipients, nexthop }) {
      const outcome: Outcome = {
        is: "sent",
        relay: "none",
        detail: { status: "2.0.0", text: nexthop, action: "delivered" },
      };
      return Promise.resolve({ outcomes: recipients.map(() => outcome), setup: 0, transmission: 0 });
    },
    close: () => Promise.resolve(),
  };
}
