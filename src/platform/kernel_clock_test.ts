import { expect, test } from "bun:test";
import { kernelClock } from "./kernel_clock.ts";

test("kernelClock() reads the state of the clock, and sets nothing", () => {
  const clock = kernelClock();
  if (clock === undefined) return; // it may not be asked here
  expect(typeof clock.synchronised).toBe("boolean");
  // The kernel's own bound is 16 seconds (NTP_PHASE_LIMIT).
  expect(clock.maximalError).toBeGreaterThanOrEqual(0);
  expect(clock.maximalError).toBeLessThanOrEqual(16_000_000);
});
