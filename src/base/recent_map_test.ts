import { expect, test } from "bun:test";
import { RecentMap } from "./recent_map.ts";

test("those that were set last are kept, and no more than twice as many", () => {
  const map = new RecentMap<number, string>(3);
  for (let key = 0; key < 100; key++) {
    map.set(key, `v${key}`);
    for (let last = Math.max(0, key - 2); last <= key; last++) expect(map.get(last)).toBe(`v${last}`);
    expect(map.size).toBeLessThanOrEqual(6);
    expect([...map.entries()].length).toBe(map.size);
  }
  expect(map.has(1)).toBe(false);
  map.set(98, "again");
  expect([...map.entries()].filter(([key]) => key === 98)).toEqual([[98, "again"]]);
  map.delete(98);
  expect(map.get(98)).toBeUndefined();
});

test("a key that is set again and again stays", () => {
  const map = new RecentMap<string, number>(10);
  for (let turn = 0; turn < 1000; turn++) {
    map.set("stays", turn);
    map.set(`goes${turn}`, turn);
    expect(map.get("stays")).toBe(turn);
  }
});
