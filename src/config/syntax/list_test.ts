import { expect, test } from "bun:test";
import fc from "fast-check";
import { splitList, splitListChecked, splitListRaw } from "./list.ts";

test.each([
  ["", []],
  [" , ,\t\r\n", []],
  ["a b,c\td\r\n e", ["a", "b", "c", "d", "e"]],
  ["a,,b", ["a", "b"]],
  ["{ a b, c } d", ["a b, c", "d"]],
  ["{a}", ["a"]],
  ["inline:{ {a = b c}, d=e } hash:/x", ["inline:{ {a = b c}, d=e }", "hash:/x"]],
  ["check_client_access { inline:{a=b} }", ["check_client_access", "inline:{a=b}"]],
  ["a } b", ["a", "}", "b"]],
  ["{ a b", ["{ a b"]],
  ["{a}b c", ["{a}b", "c"]],
])("splitList(%j) is %j", (text, items) => {
  expect(splitList(text)).toEqual(items);
});

test("splitListChecked() names broken groups with Postfix's texts", () => {
  expect(splitListChecked("{ a").problems).toEqual([{ text: `missing '}' in "{ a"` }]);
  expect(splitListChecked("{a}b").problems).toEqual([{ text: `syntax error after '}' in "{a}b"` }]);
});

test("splitListRaw() loses nothing but separators", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom("a", "{", "}", " ", ",", "\t", "\n") }), (text) => {
    const bare = (value: string) => value.replace(/[, \t\r\n]/g, "");
    expect(bare(splitListRaw(text).join(""))).toBe(bare(text));
    splitList(text);
  }));
});
