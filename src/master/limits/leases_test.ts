import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Agent, DeliveryJob } from "../../delivery/agent.ts";
import { leasedAgent } from "../../worker/services/leased_agent.ts";
import { Leases, MOST_CLAIMS } from "./leases.ts";

const settled = () => new Promise((done) => setTimeout(done, 0));

test("never more than the limit at a time, everybody in turn, and a dead worker's leases are free", async () => {
  const leases = new Leases();
  const got: string[] = [];
  const take = (worker: number, name: string) =>
    void leases.take("slow", 2, worker).then(() => got.push(name));
  take(1, "a");
  take(2, "b");
  take(3, "c");
  take(1, "d");
  await settled();
  expect(got).toEqual(["a", "b"]);
  leases.release("slow", 2);
  await settled();
  expect(got).toEqual(["a", "b", "c"]);
  leases.forget(1);
  take(4, "e");
  await settled();
  expect(got).toEqual(["a", "b", "c", "e"]);
});

test("in any order of events the number held stays within the limit and nobody waits while there is room", async () => {
  const event = fc.oneof(
    fc.record({ is: fc.constant("take" as const), worker: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ is: fc.constant("release" as const), worker: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ is: fc.constant("forget" as const), worker: fc.integer({ min: 0, max: 3 }) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(event, { maxLength: 60 }),
      async (limit, events) => {
        const leases = new Leases();
        const held = [0, 0, 0, 0];
        const waiting = [0, 0, 0, 0];
        const lives = [0, 0, 0, 0];
        for (const { is, worker } of events) {
          if (is === "take") {
            const life = lives[worker];
            waiting[worker]!++;
            void leases.take("k", limit, worker).then(() => {
              if (lives[worker] !== life) return;
              waiting[worker]!--;
              held[worker]!++;
            });
          } else if (is === "release" && held[worker]! > 0) {
            held[worker]!--;
            leases.release("k", worker);
          } else if (is === "forget") {
            held[worker] = 0;
            waiting[worker] = 0;
            lives[worker]!++;
            leases.forget(worker);
          }
          await settled();
          const [inUse, inLine] = [held, waiting].map((counts) => counts.reduce((sum, n) => sum + n, 0));
          expect(inUse!).toBeLessThanOrEqual(limit);
          if (inLine! > 0) expect(inUse!).toBe(limit);
        }
      },
    ),
    { numRuns: 60 },
  );
});

const job = { transport: "slow", nexthop: "example.com" } as DeliveryJob;

test("a delivery takes its leases in order, gives them back, and none is left when it is called off", async () => {
  const asked: string[] = [];
  const gates: (() => void)[] = [];
  const agent: Agent = {
    program: "smtp",
    deliver: () => Promise.resolve({ outcomes: [], setup: 0, transmission: 0 }),
    close: () => Promise.resolve(),
  };
  const leased = leasedAgent(agent, [{ limit: 1, key: ({ transport }) => transport }], {
    take(key) {
      asked.push(`lease ${key}`);
      return new Promise<void>((open) => gates.push(open));
    },
    giveBack: (key) => Promise.resolve(void asked.push(`release ${key}`)),
  });
  const first = leased.deliver(job, new AbortController().signal);
  gates.shift()!();
  await first;
  expect(asked).toEqual(["lease slow", "release slow"]);
  const abort = new AbortController();
  const second = leased.deliver(job, abort.signal);
  abort.abort(new Error("stop"));
  await expect(second).rejects.toThrow("stop");
  gates.shift()!();
  await settled();
  expect(asked).toEqual(["lease slow", "release slow", "lease slow", "release slow"]);
});

test("a worker holds and waits for a bounded number of leases, whatever it asks for", async () => {
  const leases = new Leases();
  for (let i = 0; i < MOST_CLAIMS; i++) void leases.take(`key ${i}`, 1, 7);
  await expect(leases.take("one more", 1, 7)).rejects.toThrow("too many");
  await leases.take("one more", 1, 8);
  leases.release("key 3", 7);
  await leases.take("key 3", 1, 7);
  leases.forget(7);
  await leases.take("key 3", 1, 7);
});
