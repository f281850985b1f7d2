import { StartFault } from "./start_fault.ts";

/**
 * worker_processes as a number. `auto` leaves one processor to the system: its network and disk work, and the runtime's own
 * threads, cost about as much as a worker (docs/decisions.md).
 */
export function workerCount(value: string, processors: number): number {
  if (value === "auto") return Math.max(1, processors - 1);
  if (!/^[1-9]\d{0,2}$/.test(value) || Number(value) > 128) {
    throw new StartFault(`bad worker_processes value "${value}"; specify "auto" or a number from 1 to 128`);
  }
  return Number(value);
}

/** The environment that workers get: what import_environment lists (postconf(5)), and nothing that steers the runtime. */
export function workerEnvironment(
  importEnvironment: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const out: Record<string, string> = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" };
  for (const item of importEnvironment.split(/[\s,]+/).filter((word) => word !== "")) {
    const equals = item.indexOf("=");
    const value = equals < 0 ? environment[item] : item.slice(equals + 1);
    if (value !== undefined) out[equals < 0 ? item : item.slice(0, equals)] = value;
  }
  return out;
}

/**
 * How the runtime of a worker treats its code. Its last compiler takes 2.6 seconds of a processor for the code that mail goes through, in
 * each worker, and what it makes is hardly quicker than what was there: it waits until code has run ten times as often.
 */
export const WORKER_RUNTIME: Readonly<Record<string, string>> = {
  BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: "1000000",
  BUN_JSC_thresholdForFTLOptimizeSoon: "10000",
};
