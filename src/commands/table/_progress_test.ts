import { expect, test } from "bun:test";
import { Progress } from "./_progress.ts";

test("nothing for a second, then a line five times a second, which clear() takes away", () => {
  let now = 5000;
  const said: string[] = [];
  const progress = new Progress("postmap", () => now, (text) => void said.push(text));
  progress.begin("access");
  for (let at = 1; at <= 40; at++) {
    now += 50;
    progress.records(at * 1000);
  }
  expect(said.length).toBe(6);
  expect(said[0]).toBe("\rpostmap: access: 20,000 records, 20,000/s");
  now += 1000;
  progress.written(12_345_678);
  expect(said.at(-1)).toBe("\rpostmap: access: 40,000 records, writing, 12 MB");
  const width = said.at(-1)!.length - 1;
  progress.clear();
  expect(said.at(-1)).toBe(`\r${" ".repeat(width)}\r`);
  progress.clear();
  expect(said.length).toBe(8);
});

test("the next table has its own second", () => {
  let now = 0;
  const said: string[] = [];
  const progress = new Progress("postmap", () => now, (text) => void said.push(text));
  progress.begin("first");
  now = 1500;
  progress.begin("second");
  progress.records(9);
  expect(said).toEqual([]);
});

test("a shorter line leaves nothing of a longer one behind", () => {
  let now = 0;
  const said: string[] = [];
  const progress = new Progress("postmap", () => now, (text) => void said.push(text));
  progress.begin("t");
  now = 2000;
  progress.records(2_000_000);
  now = 4000;
  progress.written(1e6);
  expect(said[1]!.length).toBeGreaterThanOrEqual(said[0]!.length);
});
