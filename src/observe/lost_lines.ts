import type { Metrics } from "./metrics.ts";

/** Counts lines of the log that were lost. */
export function countLostLines(metrics: Metrics): (lines: number) => void {
  const lost = metrics.counter(
    "mta_log_lost_lines_total",
    "Lines of the log that nobody read, or that could not be written",
  );
  return (lines) => lost.add(lines);
}
