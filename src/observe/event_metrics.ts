import type { EventFields, EventName } from "./events.ts";
import type { Metrics } from "./metrics.ts";

type Rules = { readonly [Name in EventName]?: (fields: EventFields<Name>) => void };

/** The numbers that follow from events; the answer is a log's `observe`. */
export function countEvents(
  metrics: Metrics,
): <Name extends EventName>(name: Name, fields: EventFields<Name>) => void {
  const rules = rulesFor(metrics);
  return (name, fields) => rules[name]?.(fields);
}

function rulesFor(metrics: Metrics): Rules {
  const sessions = metrics.counter("mta_smtpd_sessions_total", "SMTP sessions begun");
  const removed = metrics.counter(
    "mta_queue_removed_total",
    "Messages that left the queue, all recipients done",
  );
  const bugs = metrics.counter("mta_bugs_total", "Errors in the program itself");
  return {
    connect: () => sessions.add(1),
    removed: () => removed.add(1),
    bug: () => bugs.add(1),
  };
}
