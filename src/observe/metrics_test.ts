import { expect, test } from "bun:test";
import fc from "fast-check";
import { exposition } from "./exposition.ts";
import { checkExposition } from "../../test/kit/prometheus.ts";
import { lastingPart, mergeSnapshots, Metrics } from "./metrics.ts";

test("counters, gauges and histograms print as Prometheus text", () => {
  const metrics = new Metrics();
  metrics.counter("mta_a_total", "Things").add(2);
  metrics.gauge("mta_b", "Level", "queue").set(1.5, "hold");
  metrics.histogram("mta_c_seconds", "Time", [0.1, 1]).observe(0.5);
  expect(exposition(metrics.snapshot())).toBe(
    [
      "# HELP mta_a_total Things",
      "# TYPE mta_a_total counter",
      "mta_a_total 2",
      "# HELP mta_b Level",
      "# TYPE mta_b gauge",
      'mta_b{queue="hold"} 1.5',
      "# HELP mta_c_seconds Time",
      "# TYPE mta_c_seconds histogram",
      'mta_c_seconds_bucket{le="0.1"} 0',
      'mta_c_seconds_bucket{le="1"} 1',
      'mta_c_seconds_bucket{le="+Inf"} 1',
      "mta_c_seconds_sum 0.5",
      "mta_c_seconds_count 1",
      "",
    ].join("\n"),
  );
});

test("whatever the labels hold, the text stays valid", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.string({ unit: "binary" }), fc.double())), (rows) => {
    const metrics = new Metrics();
    const counter = metrics.counter("mta_x_total", "a \\ b \n c", "label");
    for (const [label, value] of rows) counter.add(value, label);
    expect(checkExposition(exposition(metrics.snapshot()))).toEqual([]);
  }));
});

test("totals of workers add up, and outlive a worker; its gauges do not", () => {
  const worker = () => {
    const metrics = new Metrics();
    metrics.counter("mta_x_total", "x", "code").add(3, "250");
    metrics.gauge("mta_g", "g").set(5);
    metrics.histogram("mta_h", "h", [1]).observe(2);
    return metrics.snapshot();
  };
  const merged = mergeSnapshots([worker(), lastingPart(worker())]);
  expect(merged.find(({ name }) => name === "mta_x_total")!.samples[0]).toEqual({
    labels: ["250"],
    value: 6,
  });
  expect(merged.find(({ name }) => name === "mta_g")!.samples[0]!.value).toBe(5);
  expect(merged.find(({ name }) => name === "mta_h")!.samples[0]).toEqual({
    labels: [],
    value: 4,
    buckets: [0, 2],
  });
});

test("a peer cannot grow a metric without bound", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("mta_x_total", "x", "name");
  for (let i = 0; i < 10_000; i++) counter.add(1, `name${i}`);
  const [family] = metrics.snapshot();
  expect(family!.samples.length).toBeLessThanOrEqual(501);
  expect(family!.samples.reduce((sum, { value }) => sum + value, 0)).toBe(10_000);
});
