import { afterEach, beforeEach, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CountStore } from "./count_store.ts";
import { DayCounts } from "./day_counts.ts";

const LIMITS = { groups: 3, keysOfGroup: 4, keys: 8 };
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "counts-"));
  path = join(folder, "counts.sqlite");
});
afterEach(() => rmSync(folder, { recursive: true }));

const of = (group: string, ...keys: readonly string[]) => keys.map((key) => ({ group, key, count: 1 }));

test("limits hold for what several processes add, and end with what is removed", () => {
  const [one, other] = [new CountStore(path, LIMITS), new CountStore(path, LIMITS)];
  expect(one.add(of("a", "1", "2", "3"))).toBe(0);
  expect(other.add(of("a", "3", "4", "5"))).toBe(1);
  expect(one.add([...of("b", "1"), ...of("c", "1", "2"), ...of("d", "1")])).toBe(1);
  expect(other.add(of("c", "3", "4"))).toBe(1);
  expect(other.counts("a").map(({ count }) => count).sort()).toEqual([1, 1, 1, 2]);
  one.remove("a");
  expect(other.groupsBefore("z", 0, 10)).toEqual(["b", "c"]);
  expect(other.add([...of("d", "1"), ...of("c", "4")])).toBe(0);
  one.close();
  other.close();
});

test("sizes are counted anew when the file is opened: what was added without them is seen", () => {
  new CountStore(path, LIMITS).close();
  const raw = new Database(path);
  raw.run("INSERT INTO counts VALUES ('old', 'k', 7)");
  raw.close();
  const store = new CountStore(path, LIMITS);
  expect(store.groupsBefore("z", 0, 10)).toEqual(["old"]);
  expect(store.add(of("old", "1", "2", "3", "4"))).toBe(1);
  store.close();
});

test("counts are written down piece by piece", () => {
  const store = new CountStore(path, { groups: 10, keysOfGroup: 100, keys: 100 });
  const counts = new DayCounts(() => 0);
  for (let at = 0; at < 25; at++) counts.add("a.example", `${at}`);
  const left: number[] = [];
  while (counts.waiting > 0) {
    expect(counts.flush(store, 10)).toBe(0);
    left.push(counts.waiting);
  }
  expect(left).toEqual([15, 5, 0]);
  expect(store.counts("1970-01-01 a.example").length).toBe(25);
  store.close();
});
