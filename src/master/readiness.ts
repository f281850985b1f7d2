import type { Readiness } from "../http/app.ts";
import type { Generation } from "./generation.ts";

/** How long a worker's probe of the queue may take for the service to be ready. */
const PROBE_PATIENCE = 5000;

/** Whether all workers serve, and each can write to its queue. */
export async function readinessOf(generation: Generation): Promise<Readiness> {
  const reasons = generation.workers.filter(({ state }) => state !== "ready")
    .map(({ index, state }) => `worker ${index} is ${state}`);
  const probes = await Promise.allSettled(
    generation.serving.map((each) => each.ask("probe", {}, { timeout: PROBE_PATIENCE })),
  );
  let queueProbe: number | undefined;
  for (const probe of probes) {
    if (probe.status === "rejected") reasons.push(`queue: ${(probe.reason as Error).message}`);
    else queueProbe = Math.max(queueProbe ?? 0, probe.value);
  }
  const notes = await damageOf(generation);
  return { ready: reasons.length === 0, reasons, notes, ...(queueProbe !== undefined && { queueProbe }) };
}

/** Damage is no reason to turn mail away, but whoever looks is to know. */
async function damageOf(generation: Generation): Promise<string[]> {
  const asked = await Promise.allSettled(
    generation.serving.map((each) => each.ask("damage", {}, { timeout: PROBE_PATIENCE })),
  );
  const found = asked.flatMap((each) => each.status === "fulfilled" ? each.value.found ?? [] : []);
  return [...new Set(found)];
}
