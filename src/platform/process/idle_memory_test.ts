import { expect, test } from "bun:test";
import fs from "node:fs";
import { letGoOfProgramPages, Rest } from "./idle_memory.ts";

/** Kilobytes of the program's code that are in this process's memory. */
function codeInMemory(): number {
  const program = fs.readlinkSync("/proc/self/exe");
  const lines = fs.readFileSync("/proc/self/smaps", "latin1").split("\n");
  const at = lines.findIndex((line) => line.endsWith(` ${program}`) && line.includes(" r-xp "));
  const rss = lines.slice(at).find((line) => line.startsWith("Rss:"));
  return Number(/\d+/.exec(rss!)![0]);
}

test("letGoOfProgramPages() takes the program's code out of the process's memory, and the program goes on", () => {
  const before = codeInMemory();
  letGoOfProgramPages();
  expect(codeInMemory()).toBeLessThan(before / 2);
  expect(JSON.parse(JSON.stringify({ a: [1, "b", /c/.source] }))).toEqual({ a: [1, "b", "c"] });
});

test("memory is given back once after work, when there is a rest, and not before", () => {
  const rest = new Rest(50);
  const looks = [100, 200, 205, 206, 207, 215, 700, 1200, 1201, 1202];
  expect(looks.filter((spent) => rest.look(spent))).toEqual([205, 1201]);
});

test("many small pieces of work come to a rest of their own only now and then", () => {
  const rest = new Rest(50);
  const given = Array.from({ length: 100 }, (_, at) => rest.look(2 * at)).filter(Boolean);
  expect(given.length).toBe(3);
});
