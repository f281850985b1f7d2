import { expect, test } from "bun:test";
import fc from "fast-check";
import { isPromise } from "../base/maybe_async.ts";
import type { Verification } from "../access/verifier.ts";
import { fakeClock, settle } from "../../test/kit/memory/fake_clock.ts";
import { CacheFault, type VerifyCache } from "./verify_cache.ts";
import { parseEntry, parseRecord, printEntry, printRecord } from "./entry.ts";
import { MemoryCache } from "./memory_cache.ts";
import { createVerifier, type ProbeReport, type VerifierDeps } from "./verifier.ts";

const LIFETIMES = {
  positive: { expire: 31 * 86_400, refresh: 7 * 86_400 },
  negative: { expire: 3 * 86_400, refresh: 3 * 3600 },
};
const TIME_LIMIT = { count: 3, delay: 3 };
const PROGRESS = { is: "unknown", why: "Address verification in progress", soon: true } as const;

function rig(options: Partial<VerifierDeps> = {}) {
  const clock = fakeClock();
  const probes: { address: string; report: ProbeReport }[] = [];
  const heard: string[] = [];
  const cache = options.cache ?? new MemoryCache(100);
  const verifier = createVerifier({
    cache,
    clock,
    lifetimes: LIFETIMES,
    negativeCache: true,
    pendingLimit: 5,
    probe: (address, report) => void probes.push({ address, report }),
    pid: 100,
    isAlive: () => false,
    hooks: {
      cacheFault: (why) => void heard.push(why),
      tooMany: (pending) => void heard.push(`too many: ${pending}`),
      probed: (status) => void heard.push(status),
    },
    ...options,
  });
  const answer = (status: "deliverable" | "deferred" | "undeliverable", text: string) => {
    const { address, report } = probes.shift()!;
    report.result(address, { status, text });
    report.ended();
  };
  return { clock, probes, heard, cache, verifier, answer };
}

const later = (found: ReturnType<ReturnType<typeof rig>["verifier"]["verify"]>) => {
  const seen: { now?: Verification } = {};
  if (isPromise(found)) void found.then((value) => seen.now = value);
  else seen.now = found;
  return seen;
};

test("a session waits for the result of its probe and no longer; the next one gets it at once", async () => {
  const { verifier, answer, clock, probes } = rig();
  const first = later(verifier.verify("bob@x.example", TIME_LIMIT));
  const second = later(verifier.verify("bob@x.example", TIME_LIMIT));
  await clock.advance(1000);
  expect([first.now, second.now, probes.length]).toEqual([undefined, undefined, 1]);
  answer("undeliverable", "no such\nuser");
  await settle();
  const want: Verification = { is: "undeliverable", why: "no such?user" };
  expect([first.now, second.now]).toEqual([want, want]);
  expect(verifier.verify("bob@x.example", TIME_LIMIT)).toEqual(want);
  expect(verifier.known("bob@x.example")).toEqual(want);
  expect(clock.pending()).toBe(0);
});

test("patience is (count - 1) times delay, and one question is no wait at all", async () => {
  const { verifier, clock, probes } = rig();
  const patient = later(verifier.verify("bob@x.example", TIME_LIMIT));
  await clock.advance(5999);
  expect(patient.now).toBeUndefined();
  await clock.advance(1);
  expect(patient.now).toEqual(PROGRESS);
  expect(verifier.verify("eve@x.example", { count: 1, delay: 3 })).toEqual(PROGRESS);
  expect(probes.map(({ address }) => address)).toEqual(["bob@x.example", "eve@x.example"]);
});

test("what is known without asking leaves no trace", () => {
  const { verifier, probes, cache } = rig();
  expect(verifier.known("bob@x.example")).toBeUndefined();
  expect([probes.length, cache.count()]).toEqual([0, 0]);
});

test("an old success is good while it is asked about again; a failure does not take it back before its time", async () => {
  const { verifier, clock, answer, probes } = rig();
  const ok: Verification = { is: "deliverable" };
  void verifier.verify("bob@x.example", TIME_LIMIT);
  answer("deliverable", "250 Ok");
  await clock.advance(7 * 86_400_000 + 2000);
  expect(verifier.verify("bob@x.example", TIME_LIMIT)).toEqual(ok);
  answer("undeliverable", "gone");
  expect(verifier.verify("bob@x.example", TIME_LIMIT)).toEqual(ok);
  expect(probes).toHaveLength(0);
  await clock.advance(1001_000);
  expect(verifier.verify("bob@x.example", TIME_LIMIT)).toEqual(ok);
  expect(probes).toHaveLength(1);
  answer("deferred", "not now");
  await clock.advance(24 * 86_400_000);
  const expired = later(verifier.verify("bob@x.example", TIME_LIMIT));
  answer("undeliverable", "gone");
  await settle();
  expect(expired.now).toEqual({ is: "undeliverable", why: "gone" });
});

test("without a negative cache a failure is forgotten, and a success is not", async () => {
  const { verifier, answer, cache } = rig({ negativeCache: false });
  const bad = later(verifier.verify("bob@x.example", TIME_LIMIT));
  expect(cache.count()).toBe(0);
  answer("undeliverable", "gone");
  await settle();
  expect(bad.now).toEqual(PROGRESS);
  expect(cache.count()).toBe(0);
  const good = later(verifier.verify("bob@x.example", TIME_LIMIT));
  answer("deliverable", "250 Ok");
  await settle();
  expect(good.now).toEqual({ is: "deliverable" });
});

test("more probes than address_verify_pending_request_limit are not sent, and nothing is remembered of them", async () => {
  const { verifier, probes, cache, heard } = rig();
  for (let i = 0; i < 50; i++) void verifier.verify(`random${i}@x.example`, { count: 1, delay: 3 });
  expect([probes.length, verifier.pending, cache.count()]).toEqual([5, 5, 5]);
  expect(verifier.verify("one.more@x.example", TIME_LIMIT)).toEqual({
    is: "unknown",
    why: "Too many address verification requests",
  });
  expect(heard.at(-1)).toBe("too many: 5");
  for (const { address, report } of probes.splice(0)) {
    report.result(address, { status: "undeliverable", text: "no" });
    report.ended();
  }
  await settle();
  void verifier.verify("one.more@x.example", TIME_LIMIT);
  expect(probes.map(({ address }) => address)).toEqual(["one.more@x.example"]);
});

test("a probe that is lost is sent again at once, and wakes who waits", async () => {
  const { verifier, probes, cache } = rig();
  const waiting = later(verifier.verify("bob@x.example", TIME_LIMIT));
  probes.shift()!.report.ended("lost");
  await settle();
  expect([waiting.now, cache.count()]).toEqual([PROGRESS, 0]);
  void verifier.verify("bob@x.example", TIME_LIMIT);
  expect(probes).toHaveLength(1);
});

test("a probe of another worker is waited for, unless that worker is gone", async () => {
  for (const alive of [true, false]) {
    const cache = new MemoryCache(10);
    const { verifier, clock, probes } = rig({ cache, isAlive: (pid) => alive && pid === 200 });
    const now = Math.floor(clock.now() / 1000);
    cache.put(
      "bob@x.example",
      { status: "todo", probed: now, updated: 0, text: PROGRESS.why, prober: 200 },
      now + 1,
    );
    const waiting = later(verifier.verify("bob@x.example", TIME_LIMIT));
    await clock.advance(1000);
    expect(probes.length).toBe(alive ? 0 : 1);
    cache.put("bob@x.example", { status: "deliverable", probed: 0, updated: now, text: "250 Ok" }, now + 100);
    await clock.advance(alive ? 250 : 6000);
    expect(waiting.now).toEqual({ is: "deliverable" });
  }
});

test("a probe that nobody heard of for 1000 seconds is sent again", async () => {
  const cache = new MemoryCache(10);
  const { verifier, clock, probes } = rig({ cache, isAlive: () => true });
  const now = Math.floor(clock.now() / 1000);
  cache.put(
    "bob@x.example",
    { status: "todo", probed: now, updated: 0, text: PROGRESS.why, prober: 200 },
    now + 1,
  );
  await clock.advance(1_000_000);
  expect(verifier.verify("bob@x.example", { count: 1, delay: 1 })).toEqual(PROGRESS);
  expect(probes).toHaveLength(0);
  await clock.advance(1000);
  expect(verifier.verify("bob@x.example", { count: 1, delay: 1 })).toEqual(PROGRESS);
  expect(probes).toHaveLength(1);
});

test("a cache that cannot be used defers, and says why", () => {
  const fail = () => {
    throw new CacheFault("database is locked");
  };
  const cache: VerifyCache = {
    name: "x",
    isShared: true,
    get: fail,
    put: fail,
    delete: fail,
    count: fail,
    sweep: fail,
    close: () => {},
  };
  const { verifier, heard, probes } = rig({ cache });
  expect(verifier.verify("bob@x.example", TIME_LIMIT)).toEqual({
    is: "unknown",
    why: "Address verification status unavailable",
  });
  expect([heard, probes.length]).toEqual([["database is locked"], 0]);
});

test("a cache that cannot be written sends no probes, and counts none", () => {
  const cache = new MemoryCache(10);
  cache.put = () => {
    throw new CacheFault("disk is full");
  };
  const { verifier, probes } = rig({ cache });
  for (let i = 0; i < 20; i++) {
    expect(verifier.verify(`u${i}@x.example`, TIME_LIMIT)).toMatchObject({
      why: "Address verification status unavailable",
    });
  }
  expect([probes.length, verifier.pending]).toEqual([0, 0]);
});

test("the address that a recipient became is remembered too, and one probe counts once", async () => {
  const { verifier, probes, heard } = rig();
  void verifier.verify("alias@x.example", TIME_LIMIT);
  const { report } = probes.shift()!;
  for (const address of ["alias@x.example", "bob@y.example"]) {
    report.result(address, { status: "deliverable", text: "Ok" });
  }
  report.ended();
  await settle();
  expect(verifier.known("bob@y.example")).toEqual({ is: "deliverable" });
  expect(heard).toEqual(["deliverable"]);
});

test("a colon in an address does not end its key", async () => {
  const { verifier, answer, cache } = rig();
  void verifier.verify("bob@[IPv6:::1]", TIME_LIMIT);
  answer("deliverable", "250 Ok");
  expect(cache.get("bob@[IPv6___1]")).toMatchObject({ status: "deliverable" });
});

test("an entry reads back as it was printed", () => {
  const time = fc.integer({ min: 1, max: 4_000_000_000 });
  const status = fc.constantFrom("deliverable", "deferred", "undeliverable", "todo" as const);
  const prober = fc.option(fc.integer({ min: 1, max: 4_194_304 }), { nil: undefined });
  fc.assert(fc.property(status, time, time, fc.string(), prober, (of, probed, updated, text, by) => {
    const entry = { status: of, probed, updated, text };
    expect(parseEntry(printEntry(entry))).toEqual(entry);
    const marked = by === undefined ? entry : { ...entry, prober: by };
    expect(parseRecord(printRecord(marked))).toEqual(marked);
  }));
  for (const bad of ["", "4:1:1:x", "0:0:0:x", "0:1:1", "x:1:1:x", "0:-1:1:x", "_LAST_", "1795598072"]) {
    expect(parseEntry(bad)).toBeUndefined();
  }
});
