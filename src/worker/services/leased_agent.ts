import type { Agent, DeliveryJob } from "../../delivery/agent.ts";
import { crc32 } from "../../platform/checksum.ts";
import { LONGEST_KEY } from "../protocol/master_verbs.ts";

/** A limit that holds for all workers together, and what it is counted by. */
export interface SharedLimit {
  readonly limit: number;
  readonly key: (job: DeliveryJob) => string;
}

/** Where leases come from: master. */
export interface LeaseSource {
  take(key: string, limit: number): Promise<unknown>;
  giveBack(key: string): Promise<unknown>;
}

/** The same agent, each delivery of which first takes a lease of every limit from master, and gives it back after. */
export function leasedAgent(agent: Agent, limits: readonly SharedLimit[], leases: LeaseSource): Agent {
  return {
    program: agent.program,
    close: () => agent.close(),
    async deliver(job, signal) {
      const held: string[] = [];
      const release = (key: string) => void leases.giveBack(key).catch(() => {});
      try {
        for (const { key, limit } of limits) {
          const name = shortened(key(job));
          await granted(leases.take(name, limit), signal, () => release(name));
          held.push(name);
        }
        return await agent.deliver(job, signal);
      } finally {
        held.forEach(release);
      }
    },
  };
}

/** A name that no message between processes is too short for; of those that begin alike the checksum tells. */
function shortened(key: string): string {
  if (key.length <= LONGEST_KEY) return key;
  return `${key.slice(0, LONGEST_KEY - 10)} ${crc32(Buffer.from(key)).toString(16)}`;
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
