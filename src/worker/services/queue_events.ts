import type { Log } from "../../observe/log.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { QueueEvent } from "../../queue/log/file_store_options.ts";
import type { QueueStore } from "../../queue/store.ts";
import { assertNever } from "../../base/assert_never.ts";

const SYNC_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const BATCH_MESSAGES = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/** The numbers that follow from what a store reports. */
function queueNumbers(metrics: Metrics) {
  return {
    seconds: metrics.histogram(
      "mta_queue_sync_seconds",
      "Duration of a group commit's sync",
      SYNC_SECONDS,
    ),
    batch: metrics.histogram("mta_queue_sync_messages", "Messages made durable by one sync", BATCH_MESSAGES),
    bytes: metrics.counter("mta_queue_written_bytes_total", "Bytes of messages made durable"),
    received: metrics.counter(
      "mta_queue_received_total",
      "Messages made durable: received, submitted or made here",
    ),
    faults: metrics.counter("mta_queue_faults_total", "Times that the queue could not be written", "kind"),
    damaged: metrics.counter("mta_queue_damage_total", "Damaged or missing pieces found in the queue"),
    lost: metrics.counter(
      "mta_queue_lost_messages_total",
      "Accepted messages that damage has taken: no more than so many",
    ),
  };
}

/** Turns what the store reports into log lines and numbers. */
export function queueReporter(log: Log, metrics: Metrics): (event: QueueEvent) => void {
  const { seconds, batch, bytes, received, faults, damaged, lost } = queueNumbers(metrics);
  return (event) => {
    switch (event.is) {
      case "sync":
        seconds.observe(event.milliseconds / 1000);
        if (event.messages > 0) batch.observe(event.messages);
        received.add(event.messages);
        return bytes.add(event.bytes);
      case "fault":
        faults.add(1, event.full ? "full" : "error");
        return log.emit("master", "queueFault", { what: event.what, why: event.why, full: event.full });
      case "recovered":
        return log.emit("master", "queueRecovered", {});
      case "lost":
        lost.add(event.most ?? Math.max(event.least, event.ids.length));
        return reportLoss(log, event);
      case "corrupt":
        damaged.add(1);
        return log.emit("master", "queueCorrupt", {
          where: event.where,
          bytes: event.bytes,
          savedAs: event.savedAs,
        });
      case "torn":
        return log.emit("master", "queueTorn", { where: event.where, bytes: event.bytes });
      case "replayed":
        if (event.messages > 0) log.emit("master", "queueReplayed", replayed(event));
        return;
      case "adopted":
        return log.emit("master", "queueAdopted", { shard: event.shard, messages: event.messages });
      default:
        return assertNever(event);
    }
  };
}

/** Ids in one line of the log. */
const IDS_IN_LINE = 20;

/** The line with the count, and as many as it takes for the ids. */
function reportLoss(log: Log, { shard, least, most, ids }: Extract<QueueEvent, { is: "lost" }>): void {
  log.emit("master", "queueLost", { shard, least, most, known: ids.length });
  for (let at = 0; at < ids.length; at += IDS_IN_LINE) {
    log.emit("master", "queueLostIds", { shard, ids: ids.slice(at, at + IDS_IN_LINE).join(" ") });
  }
}

function replayed({ messages, bytes, milliseconds }: Extract<QueueEvent, { is: "replayed" }>) {
  return { messages, bytes, milliseconds };
}

/** Gauges of the queue; what it answers sets them, before each snapshot. */
export function countQueue(
  store: Pick<QueueStore, "counts" | "trouble">,
  metrics: Metrics,
): () => Promise<void> {
  const refusing = metrics.gauge(
    "mta_queue_refusing",
    "Workers that take no mail, as the queue is full, cannot be written, or is not where it was",
  );
  const messages = metrics.gauge("mta_queue_messages", "Messages in each queue", "queue");
  const size = metrics.gauge("mta_queue_bytes", "Bytes of the messages in the queue");
  return async () => {
    const { bytes, ...counts } = await store.counts();
    size.set(bytes);
    refusing.set(store.trouble === undefined ? 0 : 1);
    for (const [queue, count] of Object.entries(counts)) messages.set(count, queue);
  };
}
