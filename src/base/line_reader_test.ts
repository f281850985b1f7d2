import { expect, test } from "bun:test";
import fc from "fast-check";
import { LineReader } from "./line_reader.ts";

test("however a stream is cut, its lines come out whole and in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme", maxLength: 600 }).map((each) => each.replaceAll("\n", ""))),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (lines, cuts) => {
        const stream = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const reader = new LineReader(100_000);
        const seen: string[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length]!;
          expect(reader.push(stream.subarray(at, at + size), (line) => void seen.push(line))).toBe(true);
          at += size;
        }
        expect(seen).toEqual(lines);
        expect(reader.pending).toBe(0);
      },
    ),
  );
});

test("a line of the limit passes, a longer one is refused as soon as it is, with its end or without", () => {
  const seen: string[] = [];
  const take = (line: string) => void seen.push(line);
  const reader = new LineReader(5);
  expect(reader.push(Buffer.from("abc"), take)).toBe(true);
  expect(reader.push(Buffer.from("de\nabcde\n"), take)).toBe(true);
  expect(reader.push(Buffer.from("abcdef\n"), take)).toBe(false);
  expect(seen).toEqual(["abcde", "abcde"]);
  const other = new LineReader(5);
  expect(other.push(Buffer.from("abcde"), take)).toBe(true);
  expect(other.push(Buffer.from("f"), take)).toBe(false);
});
