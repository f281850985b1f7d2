import { expect, test } from "bun:test";
import { SyncPace } from "./sync_pace.ts";

test("a disk is quick after eight quick syncs in a row, and no longer after one that is slow", () => {
  const pace = new SyncPace();
  const hear = (...times: readonly number[]) => (times.forEach((time) => pace.took(time)), pace.isQuick);
  const eight = Array.from({ length: 8 }, () => 0.2);
  expect(hear(...eight.slice(1))).toBe(false);
  expect(hear(0.2)).toBe(true);
  expect(hear(1, 0.1)).toBe(true);
  expect(hear(3)).toBe(false);
  expect(hear(...eight.slice(1))).toBe(false);
  expect(hear(0.2)).toBe(true);
});
