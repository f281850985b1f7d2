import { expect, test } from "bun:test";
import fc from "fast-check";
import { wrapLine } from "./wrap.ts";

test("wrapLine() keeps every word, in order, in lines that fit where the words do", () => {
  const text = fc.array(fc.stringMatching(/^[!-~]{1,30}$/), { minLength: 1, maxLength: 40 });
  fc.assert(fc.property(text, (words) => {
    const lines = wrapLine(words.join(" "), 40, 4);
    expect(lines.map((line) => line.trim()).join(" ")).toBe(words.join(" "));
    for (const [at, line] of lines.entries()) {
      expect(line.length).toBeLessThanOrEqual(40);
      expect(line.startsWith("    ")).toBe(at > 0);
    }
  }));
});

test("wrapLine() leaves a long word whole and an empty text empty", () => {
  expect(wrapLine(`a ${"x".repeat(50)} b`, 20, 2)).toEqual(["a", `  ${"x".repeat(50)}`, "  b"]);
  expect(wrapLine("", 20, 2)).toEqual([""]);
});
