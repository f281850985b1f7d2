import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseQueueId, printQueueId, queueIdSource } from "./queue_id.ts";

function source(options: Partial<Parameters<typeof queueIdSource>[0]> = {}) {
  return queueIdSource({
    shard: 3,
    long: () => false,
    now: () => 1_700_000_000_123,
    random: () => 0x12345678,
    taken: () => false,
    ...options,
  });
}

test("printQueueId(parseQueueId(x)) is x for both forms", () => {
  const parts = fc.record({
    long: fc.boolean(),
    seconds: fc.integer({ min: 0, max: 0xffffffff }),
    micros: fc.integer({ min: 0, max: 999_999 }),
    number: fc.integer({ min: 0, max: 0xfffffff }),
  });
  fc.assert(fc.property(parts, ({ long, seconds, micros, number }) => {
    const id = { a: long ? seconds : 0, b: long ? micros | (1 << 20) : micros, c: number };
    expect(parseQueueId(printQueueId(id))).toEqual(id);
  }));
});

test("ids have the forms of Postfix's: 5 + 7 hex digits, or time, z and number without vowels", () => {
  expect(source()()).toMatch(/^[0-9A-F]{5}[0-9A-F]{7}$/);
  expect(source({ long: () => true })()).toMatch(
    /^[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10}z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{3,6}$/,
  );
});

test("a long id says when it was made, as Postfix's do (4jZ2rL4yzTzL1tG)", () => {
  const id = source({ long: () => true })();
  expect(parseQueueId(id)?.a).toBe(1_700_000_000);
});

for (
  const text of [
    "",
    "ABC",
    "96DDC24829c",
    "FFFFF0000000",
    "96DDC2482AA0G",
    "4jZ2rL4yzTz",
    "4jZ2rL4yzTz0G",
    "../../etc/pw",
    "4jZ2rL4yaTzL1tG",
  ]
) {
  test(`parseQueueId() refuses ${JSON.stringify(text)}`, () => expect(parseQueueId(text)).toBeUndefined());
}

test("no id comes twice, though the clock stands still or goes back", () => {
  let now = 1_700_000_000_000;
  for (const long of [false, true]) {
    const next = source({ long: () => long, now: () => now -= 3 });
    const ids = new Set(Array.from({ length: 50_000 }, next));
    expect(ids.size).toBe(50_000);
    now = 1_700_000_000_000;
  }
});

test("two shards never hand out the same id", () => {
  for (const long of [false, true]) {
    const [one, two] = [source({ long: () => long }), source({ long: () => long, shard: 4 })];
    const ids = new Set([...Array.from({ length: 5000 }, one), ...Array.from({ length: 5000 }, two)]);
    expect(ids.size).toBe(10_000);
  }
});

test("an id that is in the queue is passed over", () => {
  const first = source()();
  expect(source({ taken: (id) => id === first })()).not.toBe(first);
});
