import { finite, list, oneOf, optional, record, type Shape, text } from "../base/shape.ts";
import {
  type FamilySnapshot,
  type MetricsSnapshot,
  MOST_FAMILIES,
  MOST_SAMPLES,
  type Sample,
} from "./metrics.ts";

const NAME = text(200);
const LABEL = text(1024);
const MOST_LABELS = 8;
const MOST_BUCKETS = 64;

const sample: Shape<Sample> = record<Sample>({
  labels: list(LABEL, MOST_LABELS),
  value: finite,
  buckets: optional(list(finite, MOST_BUCKETS + 1)),
});

const family: Shape<FamilySnapshot> = record<FamilySnapshot>({
  name: NAME,
  type: oneOf("counter", "gauge", "histogram"),
  help: text(1024),
  labels: list(NAME, MOST_LABELS),
  bounds: optional(list(finite, MOST_BUCKETS)),
  // One more than a process keeps: what is counted as `other`.
  samples: list(sample, MOST_SAMPLES + 1),
});

/** A process's numbers, as another process takes them. */
export const metricsSnapshot: Shape<MetricsSnapshot> = list(family, MOST_FAMILIES);
