/** What kind of number a metric is (Prometheus' types). */
export type MetricType = "counter" | "gauge" | "histogram";

/** One labelled number of a snapshot; histograms carry the count of each bucket and the sum. */
export interface Sample {
  /** Parallel to the family's label names. */
  readonly labels: readonly string[];
  /** Counter and gauge: the value. Histogram: the sum of what was observed. */
  readonly value: number;
  /** Histogram only: observations per bucket, not cumulated, the last one above all bounds. */
  readonly buckets?: readonly number[];
}

/** All numbers of one name. */
export interface FamilySnapshot {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly bounds?: readonly number[];
  readonly samples: readonly Sample[];
}

/** The numbers of one process at one moment; plain data that crosses process borders. */
export type MetricsSnapshot = readonly FamilySnapshot[];

/** Label values beyond this many are counted under `other`: a peer must not grow a metric. */
export const MOST_SAMPLES = 500;
/** Names of one process, and of all together: whoever tells them must not grow who adds them up. */
export const MOST_FAMILIES = 500;

interface Cell {
  readonly labels: readonly string[];
  value: number;
  buckets?: number[];
}

/** A metric to count with. Adding is a map lookup and an addition. */
export interface Counter {
  add(amount: number, ...labels: string[]): void;
}

/** A metric to set. */
export interface Gauge {
  set(value: number, ...labels: string[]): void;
  /** Forgets all values: what they were of is gone. */
  clear(): void;
}

/** A metric of a distribution. */
export interface Histogram {
  observe(value: number, ...labels: string[]): void;
}

class Family {
  readonly #cells = new Map<string, Cell>();
  constructor(
    readonly name: string,
    readonly type: MetricType,
    readonly help: string,
    readonly labels: readonly string[],
    readonly bounds?: readonly number[],
  ) {
    if (labels.length === 0) this.cell([]);
  }

  cell(labels: readonly string[]): Cell {
    const key = labels.length === 1 ? labels[0]! : labels.join("\u0000");
    return this.#cells.get(key) ?? this.#newCell(key, labels);
  }

  #newCell(key: string, labels: readonly string[]): Cell {
    if (this.#cells.size >= MOST_SAMPLES && labels.some((label) => label !== "other")) {
      return this.cell(labels.map(() => "other"));
    }
    const buckets = this.bounds === undefined ? undefined : Array<number>(this.bounds.length + 1).fill(0);
    const cell = { labels, value: 0, buckets };
    this.#cells.set(key, cell);
    return cell;
  }

  add(amount: number, ...labels: string[]): void {
    this.cell(labels).value += amount;
  }

  set(value: number, ...labels: string[]): void {
    this.cell(labels).value = value;
  }

  clear(): void {
    this.#cells.clear();
  }

  observe(value: number, ...labels: string[]): void {
    const cell = this.cell(labels);
    const bounds = this.bounds!;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    cell.buckets![at]!++;
    cell.value += value;
  }

  snapshot(): FamilySnapshot {
    const samples = [...this.#cells.values()].map(({ labels, value, buckets }) =>
      buckets === undefined ? { labels, value } : { labels, value, buckets: [...buckets] }
    );
    const { name, type, help, labels, bounds } = this;
    return bounds === undefined
      ? { name, type, help, labels, samples }
      : { name, type, help, labels, bounds, samples };
  }
}

/** The metrics of one process. Asking for a name again gives the same metric. */
export class Metrics {
  readonly #families = new Map<string, Family>();
  readonly #refreshers: (() => void)[] = [];

  #family(name: string, make: () => Family): Family {
    const known = this.#families.get(name);
    if (known !== undefined) return known;
    const family = make();
    this.#families.set(name, family);
    return family;
  }

  /** A number that only grows; its name ends in `_total`. */
  counter(name: string, help: string, ...labels: string[]): Counter {
    return this.#family(name, () => new Family(name, "counter", help, labels));
  }

  /** A number that goes up and down. */
  gauge(name: string, help: string, ...labels: string[]): Gauge {
    return this.#family(name, () => new Family(name, "gauge", help, labels));
  }

  /** A distribution over buckets with these upper bounds. */
  histogram(name: string, help: string, bounds: readonly number[], ...labels: string[]): Histogram {
    return this.#family(name, () => new Family(name, "histogram", help, labels, bounds));
  }

  /** Calls `refresh` before each snapshot: sets gauges that nobody counts along the way. */
  beforeSnapshot(refresh: () => void): void {
    this.#refreshers.push(refresh);
  }

  snapshot(): MetricsSnapshot {
    for (const refresh of this.#refreshers) refresh();
    return [...this.#families.values()].map((family) => family.snapshot());
  }
}

/** Adds snapshots of several processes up, label by label. */
export function mergeSnapshots(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const families = new Map<
    string,
    { readonly head: FamilySnapshot; readonly samples: Map<string, Sample> }
  >();
  for (const head of snapshots.flat()) {
    const family = families.get(head.name) ?? { head, samples: new Map<string, Sample>() };
    if (!families.has(head.name) && families.size >= MOST_FAMILIES) continue;
    families.set(head.name, family);
    for (const sample of head.samples) addTo(family.samples, sample);
  }
  return [...families.values()].map(({ head, samples }) => ({ ...head, samples: [...samples.values()] }));
}

/** Adds a sample to those of its family; label values beyond the limit are counted under `other`, as a process's own are. */
function addTo(samples: Map<string, Sample>, sample: Sample): void {
  const key = sample.labels.join("\u0000");
  if (samples.has(key) || samples.size < MOST_SAMPLES) {
    return void samples.set(key, sum(samples.get(key), sample));
  }
  const labels = sample.labels.map(() => "other");
  const other = labels.join("\u0000");
  samples.set(other, sum(samples.get(other), { ...sample, labels }));
}

function sum(left: Sample | undefined, right: Sample): Sample {
  if (left === undefined) return right;
  const value = left.value + right.value;
  if (left.buckets === undefined || right.buckets === undefined) return { labels: right.labels, value };
  return { labels: right.labels, value, buckets: right.buckets.map((n, i) => n + (left.buckets![i] ?? 0)) };
}

/** What remains of a process that ended: its counters and histograms; gauges die with it. */
export function lastingPart(snapshot: MetricsSnapshot): MetricsSnapshot {
  return snapshot.filter((family) => family.type !== "gauge");
}
