import { expect, test } from "bun:test";
import fc from "fast-check";
import { narrow, newWindow, parseFeedback, widen, type WindowLimits } from "./feedback.ts";

const limits = (more: Partial<WindowLimits> = {}): WindowLimits => ({
  concurrency: 20,
  initial: 5,
  positive: () => 1,
  negative: () => 1,
  failedCohorts: 1,
  ...more,
});

test("parseFeedback() reads numbers, fractions and functions of the concurrency", () => {
  const rows = [
    ["1", 4, 1],
    ["0.25", 4, 0.25],
    ["1/8", 4, 0.125],
    ["1/concurrency", 4, 0.25],
    ["1/sqrt_concurrency", 4, 0.5],
    [" 1 / concurrency ", 8, 0.125],
  ] as const;
  for (const [text, window, value] of rows) expect(parseFeedback(text)?.(window)).toBe(value);
  for (const text of ["", "x", "2", "-1", "1/", "1/window"]) expect(parseFeedback(text)).toBeUndefined();
});

test("with 1/concurrency a window grows by one in a round of successes", () => {
  const rules = limits({ positive: (window) => 1 / window });
  const window = newWindow(rules);
  for (let i = 0; i < 5; i++) widen(window, rules, 5);
  expect(window.size).toBe(6);
});

test("a window does not grow far beyond what is in use", () => {
  const rules = limits({ concurrency: 0 });
  const window = newWindow(rules);
  for (let i = 0; i < 100; i++) widen(window, rules, 2);
  expect(window.size).toBe(7);
});

test("a destination is dead after failed_cohort_limit rounds of failures, never with 0", () => {
  const dead = (rules: WindowLimits, failures: number) => {
    const window = newWindow(rules);
    return Array.from({ length: failures }, () => narrow(window, rules)).lastIndexOf(true) + 1;
  };
  expect(dead(limits({ negative: () => 0 }), 5)).toBe(5);
  expect(dead(limits({ negative: () => 0, failedCohorts: 2 }), 10)).toBe(10);
  expect(dead(limits({ failedCohorts: 0 }), 1000)).toBe(0);
});

test("whatever happens, a window stays between one and its limit", () => {
  const feedback = fc.constantFrom("1", "0.5", "1/concurrency", "1/sqrt_concurrency");
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 300 }), feedback, feedback, (events, up, down) => {
      const rules = limits({
        positive: parseFeedback(up)!,
        negative: parseFeedback(down)!,
        failedCohorts: 0,
      });
      const window = newWindow(rules);
      for (const good of events) {
        if (good) widen(window, rules, window.size);
        else narrow(window, rules);
        expect(window.size).toBeGreaterThanOrEqual(1);
        expect(window.size).toBeLessThanOrEqual(20);
      }
    }),
  );
});
