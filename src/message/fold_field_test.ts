import { expect, test } from "bun:test";
import fc from "fast-check";
import { foldFields } from "./fold_field.ts";

const fold = (lines: readonly string[], limit = 10) =>
  foldFields(lines.map((line) => `${line}\r\n`).join(""), limit).split("\r\n").slice(0, -1);

test("lines over the limit are folded before white space, words that are too long are left alone", () => {
  const rows: readonly (readonly [what: string, lines: readonly string[], folded: readonly string[]])[] = [
    ["at the limit", ["A: 4567890"], ["A: 4567890"]],
    ["as few lines as will do", ["A: bb cc dd ee ff"], ["A: bb cc", " dd ee ff"]],
    ["behind the name", ["Subject: word"], ["Subject:", " word"]],
    ["white space goes with the word behind it", ["A: bb \t ccc   dd"], ["A: bb", " \t ccc", "   dd"]],
    ["a tab", ["A: bbbb\tcccc"], ["A: bbbb", "\tcccc"]],
    ["a name with a blank", ["Nam :\tvalue e"], ["Nam :", "\tvalue e"]],
    ["never before the colon", ["Name      : b"], ["Name      :", " b"]],
    ["a continuation", ["A: b", " cc dd ee ff"], ["A: b", " cc dd ee", " ff"]],
    ["a word too long", ["A: 4567890123"], ["A: 4567890123"]],
    ["what is around a word too long", ["A: b 012345678901 c d"], ["A: b 012345678901", " c d"]],
    ["words too long", ["A: 012345678901 01234567890"], ["A: 012345678901", " 01234567890"]],
    ["white space at the end", ["A: 4567890   "], ["A: 4567890   "]],
    ["a stretch of white space", ["A: b             c d"], ["A: b             c", " d"]],
    ["several fields", ["A: bbbb cccc", "B: c", "C: dddd eeee"], [
      "A: bbbb",
      " cccc",
      "B: c",
      "C: dddd",
      " eeee",
    ]],
    ["no field", ["no field at all"], ["no field at all"]],
    ["no value", ["A-long-name:"], ["A-long-name:"]],
  ];
  for (const [what, lines, folded] of rows) expect([what, ...fold(lines)]).toEqual([what, ...folded]);
  expect(fold(["A: bb cc dd ee ff"], 0)).toEqual(["A: bb cc dd ee ff"]);
});

const word = fc.stringMatching(/^[!-~\x80-\xff]{1,14}$/);
const blanks = fc.stringMatching(/^[ \t]{1,4}$/);
const value = fc.array(fc.tuple(blanks, word), { minLength: 1 }).map((pairs) => pairs.flat().join(""));
const field = fc.tuple(fc.stringMatching(/^[!-9;-~]{1,8} ?:$/), value, fc.constantFrom("", " ", "\t\t"))
  .map((parts) => `${parts.join("")}\r\n`);
const unfold = (text: string) => text.replaceAll(/\r\n(?=[ \t])/g, "");

test("unfolded it is the same, a line over the limit has one word in reach, and folding again changes nothing", () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 3 }), fc.integer({ min: 5, max: 40 }), (fields, limit) => {
      const text = fields.join("");
      const folded = foldFields(text, limit);
      expect(unfold(folded)).toBe(text);
      expect(foldFields(folded, limit)).toBe(folded);
      for (const line of folded.split("\r\n").slice(0, -1)) {
        expect(line.trim()).not.toBe("");
        if (line.length > limit) expect(longestWord(line)).toBeGreaterThan(limit);
      }
    }),
  );
});

/** With the white space before it, and with that at the end. */
function longestWord(line: string): number {
  const name = /^[!-9;-~]+[ \t]*:/.exec(line)?.[0] ?? "";
  const words = line.slice(name.length).match(/[ \t]*[^ \t]+([ \t]+$)?/g) ?? [];
  return Math.max(name.length, ...words.map((one) => one.length));
}

test("a field of any form takes time in proportion to its length", () => {
  const size = 200_000;
  const fill = (piece: string) => piece.repeat(size / piece.length);
  const started = performance.now();
  for (
    const text of [fill(" a"), fill(" "), `${fill(" ")}a`, fill("a"), fill(":"), fill("a "), fill("\r\n ")]
  ) {
    foldFields(`A:${text}\r\n`, 998);
    foldFields(`${text}\r\n`, 10);
  }
  expect(performance.now() - started).toBeLessThan(20_000);
});
