import type { Agent } from "./agent.ts";

/** In place of an agent whose program would not start under Postfix: its mail waits, and the log says why. */
export function createClosedAgent(why: string): Agent {
  const detail = {
    status: "4.3.0",
    text: `unknown mail transport error: ${why}`,
    action: "delayed",
  } as const;
  return {
    program: "error",
    deliver: (job) =>
      Promise.resolve({
        outcomes: job.recipients.map(() => ({ is: "deferred", relay: "none", detail })),
        setup: 0,
        transmission: 0,
        deadSite: detail,
      }),
    close: () => Promise.resolve(),
  };
}
