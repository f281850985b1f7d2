import { expect, test } from "bun:test";
import { fakeClock } from "../../test/kit/memory/fake_clock.ts";
import { ok } from "./check_result.ts";
import { runChecks } from "./run_checks.ts";

test("runChecks() answers in the order of the checks, whichever ends first", async () => {
  const first = Promise.withResolvers<void>();
  const results = runChecks([
    { name: "slow", limit: 1000, run: async () => (await first.promise, [ok("slow", "done")]) },
    { name: "quick", limit: 1000, run: async () => (first.resolve(), [ok("quick", "done")]) },
  ], fakeClock());
  expect((await results).map(({ check }) => check)).toEqual(["slow", "quick"]);
});

test("a check that never ends is a warning, and its signal says so to it", async () => {
  const clock = fakeClock();
  let signal: AbortSignal | undefined;
  const results = runChecks([{
    name: "relayhost",
    limit: 20_000,
    run: (given) => (signal = given, new Promise(() => {})),
  }], clock);
  await clock.advance(20_000);
  expect(await results).toEqual([
    expect.objectContaining({
      severity: "warning",
      check: "relayhost",
      found: "did not come to an end within 20 seconds",
    }),
  ]);
  expect(signal?.aborted).toBe(true);
});

test("a check that throws is a problem, and the others go on", async () => {
  const fault = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES" });
  const results = await runChecks([
    { name: "queue", limit: 1000, run: () => Promise.reject(fault) },
    { name: "clock", limit: 1000, run: async () => [ok("clock", "right")] },
  ], fakeClock());
  expect(results.map(({ severity, check, found }) => `${severity} ${check}: ${found}`)).toEqual([
    "problem queue: could not be looked at: Permission denied",
    "ok clock: right",
  ]);
});
