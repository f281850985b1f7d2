import type { Agent, DeliveryJob } from "../delivery/agent.ts";
import type { WorkerArguments } from "./worker_protocol.ts";

/** A limit that holds for all workers together, and what it is counted by. */
export interface SharedLimit {
  readonly limit: number;
  readonly key: (job: DeliveryJob) => string;
}

type Request = (what: string, args: WorkerArguments) => Promise<unknown>;

/** The same agent, each delivery of which first takes a lease of every limit from master, and gives it back after. */
export function leasedAgent(agent: Agent, limits: readonly SharedLimit[], request: Request): Agent {
  return {
    program: agent.program,
    close: () => agent.close(),
    async deliver(job, signal) {
      const held: string[] = [];
      const release = (key: string) => void request("release", { key }).catch(() => {});
      try {
        for (const { key, limit } of limits) {
          const name = key(job);
          await granted(request("lease", { key: name, limit }), signal, () => release(name));
          held.push(name);
        }
        return await agent.deliver(job, signal);
      } finally {
        held.forEach(release);
      }
    },
  };
}

/** Waits for a lease unless the delivery is called off; a lease that comes too late goes back at once. */
function granted(lease: Promise<unknown>, signal: AbortSignal, giveBack: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const off = () => {
      reject(signal.reason);
      lease.then(giveBack, () => {});
    };
    if (signal.aborted) return off();
    signal.addEventListener("abort", off, { once: true });
    lease.then(() => {
      signal.removeEventListener("abort", off);
      if (!signal.aborted) resolve();
    }, reject);
  });
}
