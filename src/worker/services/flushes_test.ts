import { expect, test } from "bun:test";
import { createOpenTables } from "../../rewrite/open_tables.ts";
import { fakeClock } from "../../../test/kit/memory/fake_clock.ts";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { openFlushes } from "./flushes.ts";

function rig() {
  const clock = fakeClock();
  const log = memoryLog();
  const done: string[] = [];
  const flushes = openFlushes({
    fast_flush_domains: "one.example",
    parent_domain_matches_subdomains: "",
  }, {
    clock,
    log,
    openTables: createOpenTables({
      directory: "/nonexistent",
      parameter: () => undefined,
      warn: () => {},
      clock: () => clock.now(),
    }),
    store: {
      retryNow: (ids) => (done.push(`retry ${ids?.join(" ") ?? "all"}`), Promise.resolve(1)),
      retrySite: (site) => (done.push(`site ${site}`), Promise.resolve(1)),
    },
    qmgr: { forgetDead: () => void done.push("forget dead"), wake: () => void done.push("wake") },
  });
  return { clock, done, flushes };
}

test("dead destinations are forgotten before mail is made due, and the queue manager hears of it after", async () => {
  const { done, flushes } = rig();
  expect(await flushes.messages()).toBe(1);
  expect(await flushes.site("one.example")).toBe("started");
  expect(await flushes.site("two.example")).toBe("denied");
  expect(done).toEqual(["forget dead", "retry all", "wake", "forget dead", "site one.example", "wake"]);
});

test("what was asked for lately is done again for messages that are taken over, and no more when that is long ago", async () => {
  const { clock, done, flushes } = rig();
  await flushes.site("one.example");
  await clock.advance(60_000);
  done.length = 0;
  await flushes.takenOver();
  expect(done).toEqual(["forget dead", "site one.example", "wake"]);
  await clock.advance(60_000);
  done.length = 0;
  await flushes.takenOver();
  expect(done).toEqual([]);
});
