import { expect, test } from "bun:test";
import fc from "fast-check";
import { partOf, sharedParameter } from "./shared_limits.ts";

test("the parts of all workers add up to the limit, and nobody gets less than one", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 0, max: 5000 }), (workers, limit) => {
      const parts = Array.from({ length: workers }, (_, index) => partOf(limit, { index, workers }));
      const sum = parts.reduce((total, part) => total + part, 0);
      if (limit === 0) expect(sum).toBe(0);
      else {
        expect(sum).toBe(Math.max(limit, workers));
        expect(Math.min(...parts)).toBeGreaterThanOrEqual(1);
      }
    }),
  );
});

test("a transport's concurrency is shared and its pauses are longer; all else is as written", () => {
  const values: Record<string, string> = {
    slow_destination_concurrency_limit: "5",
    slow_destination_rate_delay: "2m",
    slow_destination_recipient_limit: "50",
  };
  const of = (index: number) => sharedParameter((name) => values[name], { index, workers: 2 });
  expect([of(0)("slow_destination_concurrency_limit"), of(1)("slow_destination_concurrency_limit")]).toEqual([
    "3",
    "2",
  ]);
  expect(of(0)("slow_destination_rate_delay")).toBe("240s");
  expect(of(0)("slow_destination_recipient_limit")).toBe("50");
  expect(of(0)("unset_destination_rate_delay")).toBeUndefined();
  expect(sharedParameter((name) => values[name], { index: 0, workers: 1 })("slow_destination_rate_delay"))
    .toBe("2m");
});
