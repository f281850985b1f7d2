import { expect, test } from "bun:test";
import fc from "fast-check";
import { commentSafe } from "./comment_safe.ts";

test.each([
  ["ann", "ann"],
  ["Test (odd) CA", "Test (odd) CA"],
  ["a) b", "a? b"],
  ["((a", "((a))"],
  [")(", "?()"],
  ["a\\b\tc\r\n", "a?b?c??"],
  ["né", "n??"],
])("commentSafe() writes %j as %j", (text, safe) => expect(commentSafe(text)).toBe(safe));

test("commentSafe() leaves no way out of a comment", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    let depth = 0;
    for (const char of commentSafe(text)) {
      expect(char).toMatch(/[ -[\]-~]/);
      depth += char === "(" ? 1 : char === ")" ? -1 : 0;
      expect(depth).toBeGreaterThanOrEqual(0);
    }
    expect(depth).toBe(0);
  }));
});
