import type { Metrics } from "../../observe/metrics.ts";
import type { QmgrHooks } from "../../qmgr/qmgr.ts";

const DELAY_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 1800, 3600, 21_600, 86_400];

/** Counts deliveries by transport and outcome, and how long recipients waited for theirs. */
export function deliveryHooks(metrics: Metrics): QmgrHooks {
  const outcomes = metrics.counter("mta_deliveries_total", "Recipients by outcome", "transport", "outcome");
  const delay = metrics.histogram(
    "mta_delivery_delay_seconds",
    "Time from arrival to an outcome",
    DELAY_SECONDS,
    "outcome",
  );
  return {
    outcome(transport, is, milliseconds) {
      outcomes.add(1, transport, is);
      delay.observe(milliseconds / 1000, is);
    },
  };
}
