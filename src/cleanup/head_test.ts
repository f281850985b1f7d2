import { expect, test } from "bun:test";
import { Head } from "./head.ts";

function headOf(...fields: string[]): Head {
  const head = new Head(0);
  for (const field of fields) head.take(`${field}\r\n`);
  return head;
}

const linesOf = (head: Head) => head.bytes.toString("latin1").split("\r\n").slice(0, -1);

test("fields are put in, changed and taken out by place or by name and number", () => {
  const rows: readonly (readonly [(head: Head) => unknown, unknown, readonly string[]])[] = [
    [(head) => head.insert(0, "X: 1"), undefined, ["X: 1", "A: 1", "B : 2", "a: 3"]],
    [(head) => head.insert(2, "X: 1"), undefined, ["A: 1", "B : 2", "X: 1", "a: 3"]],
    [(head) => head.insert(99, "X: 1"), undefined, ["A: 1", "B : 2", "a: 3", "X: 1"]],
    [(head) => head.append("X: 1"), undefined, ["A: 1", "B : 2", "a: 3", "X: 1"]],
    [(head) => head.change("A", 2, "A: 4"), true, ["A: 1", "B : 2", "A: 4"]],
    [(head) => head.change("A", 3, "A: 4"), false, ["A: 1", "B : 2", "a: 3"]],
    [(head) => head.change("b", 1, "b: 5"), true, ["A: 1", "b: 5", "a: 3"]],
    [(head) => head.change("A", 1, "A: 6", 1), true, ["A: 1", "B : 2", "A: 6"]],
    [(head) => head.delete("a", 2, 1), false, ["A: 1", "B : 2", "a: 3"]],
    [(head) => head.delete("a", 1), true, ["B : 2", "a: 3"]],
    [(head) => head.delete("a", 0), false, ["A: 1", "B : 2", "a: 3"]],
    [(head) => head.delete("c", 1), false, ["A: 1", "B : 2", "a: 3"]],
  ];
  for (const [edit, answer, lines] of rows) {
    const head = headOf("A: 1", "B : 2", "a: 3");
    expect([edit(head), linesOf(head)]).toEqual([answer, lines]);
    expect(head.size).toBe(head.bytes.length);
  }
});

test("a value with line ends stays one field", () => {
  const head = headOf("A: 1");
  head.append("X: 1\r\nEvil: 2\n\n3\0");
  expect(linesOf(head)).toEqual(["A: 1", "X: 1", "\tEvil: 2", "\t3"]);
});

test("of an endless header the rest is not taken, not even what would fit again", () => {
  const head = new Head(0);
  let taken = 0;
  while (head.take(`X: ${"x".repeat(1000)}\r\n`)) taken++;
  expect(taken * 1005).toBeLessThanOrEqual(262_144);
  expect(head.take("Y: 1\r\n")).toBe(false);
  expect(head.bytes.length).toBe(taken * 1005);
});

test("long lines are folded, whoever puts them in", () => {
  const head = new Head(10);
  head.take("A: bbbb cccc\r\n");
  head.append("B: bbbb cccc");
  head.insert(0, "C: bbbb\ncccc");
  head.insert(0, "D: bbbb cccc");
  head.change("b", 1, "B: dddd eeee");
  expect(linesOf(head)).toEqual([
    "D: bbbb",
    " cccc",
    "C: bbbb",
    "\tcccc",
    "A: bbbb",
    " cccc",
    "B: dddd",
    " eeee",
  ]);
  expect(head.size).toBe(head.bytes.length);
});
