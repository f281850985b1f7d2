import { expect, test } from "bun:test";
import fc from "fast-check";
import { waitingTime } from "./backoff.ts";

const BACKOFF = { minimal: 300_000, maximal: 4_000_000 };

test("the wait is the message's age within the two limits", () => {
  const rows = [[0, 300], [100, 300], [300, 300], [700, 700], [4000, 4000], [100_000, 4000]] as const;
  for (const [age, wait] of rows) {
    expect(waitingTime(age * 1000, BACKOFF, 0)).toBe(wait * 1000);
  }
});

test("chance spreads the wait by a tenth at most and never beyond the limits", () => {
  fc.assert(fc.property(fc.nat(10_000_000), fc.double({ min: 0, max: 1, noNaN: true }), (age, random) => {
    const wait = waitingTime(age, BACKOFF, random);
    const plain = waitingTime(age, BACKOFF, 0);
    expect(wait).toBeGreaterThanOrEqual(BACKOFF.minimal);
    expect(wait).toBeLessThanOrEqual(BACKOFF.maximal);
    expect(Math.abs(wait - plain)).toBeLessThanOrEqual(plain / 10 + 1);
  }));
});
