import { expect, test } from "bun:test";
import { checkClock, type ClockFacts } from "./clock_check.ts";

const NOW = Date.UTC(2026, 10, 30, 19, 4);
const KEPT = { synchronised: true, maximalError: 1000 };

const cases: readonly (readonly [string, Partial<ClockFacts>, string, string])[] = [
  ["a clock that is kept", {}, "ok", "reads 2026-11-30 19:04 UTC, and is kept to the true time"],
  ["one that nobody keeps", { kernel: { ...KEPT, synchronised: false } }, "warning", "nobody keeps it"],
  ["a kernel that may not be asked", { kernel: undefined }, "ok", "cannot be told here"],
  ["the year of a dead battery", { now: Date.UTC(1970, 0, 2) }, "problem", "reads 1970-01-02 00:00 UTC: "],
  ["the far future", { now: Date.UTC(2106, 1, 7) }, "problem", "reads 2106-02-07"],
  [
    "a file of the future",
    { configured: NOW + 3_600_000 },
    "warning",
    "main.cf was changed at 2026-11-30 20:04",
  ],
  ["a file of this moment", { configured: NOW + 1000 }, "ok", "is kept"],
];

test.each(cases)("checkClock() of %s", (_, facts, severity, found) => {
  const [only, ...more] = checkClock({ now: NOW, configured: NOW - 1000, kernel: KEPT, ...facts });
  expect(more).toEqual([]);
  expect(only).toMatchObject({ severity, check: "clock" });
  expect(only!.found).toContain(found);
  if (severity !== "ok") expect(only!.fix).toContain("timedatectl set-ntp true");
});
