import { exposition } from "../observe/exposition.ts";
import { lastingPart, mergeSnapshots, type Metrics, type MetricsSnapshot } from "../observe/metrics.ts";

/** The whole service's metrics: those of the workers that live, what remains of those that ended, and master's own. */
export class MetricsCollector {
  readonly #own: Metrics;
  readonly #living = new Map<number, MetricsSnapshot>();
  #ended: MetricsSnapshot = [];

  constructor(own: Metrics) {
    this.#own = own;
  }

  /** Takes a worker's newest numbers; `last` ones stay in the totals for good. */
  take(worker: number, snapshot: MetricsSnapshot, last: boolean): void {
    if (!last) return void this.#living.set(worker, snapshot);
    this.#living.delete(worker);
    this.#ended = mergeSnapshots([this.#ended, lastingPart(snapshot)]);
  }

  merged(): MetricsSnapshot {
    return mergeSnapshots([this.#own.snapshot(), ...this.#living.values(), this.#ended]);
  }

  text(): string {
    return exposition(this.merged());
  }
}
