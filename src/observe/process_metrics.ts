import { vitalSigns, watchEventLoop } from "../platform/process/vital_signs.ts";
import type { Metrics } from "./metrics.ts";

const LAG_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

/** Memory, processor time and event-loop lag of this process; `role` is `master` or a worker's number. */
export function countProcess(metrics: Metrics, role: string): void {
  const resident = metrics.gauge("mta_process_resident_bytes", "Resident memory", "process");
  const heap = metrics.gauge("mta_process_heap_bytes", "JavaScript heap in use", "process");
  const cpu = metrics.counter("mta_process_cpu_seconds_total", "Processor time spent", "process");
  const lag = metrics.histogram(
    "mta_event_loop_lag_seconds",
    "Delay of timers behind their time",
    LAG_SECONDS,
    "process",
  );
  let spent = 0;
  watchEventLoop(500, (milliseconds) => lag.observe(milliseconds / 1000, role));
  metrics.beforeSnapshot(() => {
    const { residentBytes, heapBytes, cpuSeconds } = vitalSigns();
    resident.set(residentBytes, role);
    heap.set(heapBytes, role);
    cpu.add(cpuSeconds - spent, role);
    spent = cpuSeconds;
  });
}
