import { expect, test } from "bun:test";
import fc from "fast-check";
import { commentText, splitList, splitListChecked, splitListRaw, splitMatchList } from "./list.ts";

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

test.each([
  ["a b", ["a", "b"], undefined],
  [
    "127.0.0.0/8 # local, only # twice",
    ["127.0.0.0/8"],
    "m: comment at end of line is not supported: # local, only # twice",
  ],
  [
    "example.com, #mail.example.com",
    ["example.com"],
    "m: comment at end of line is not supported: #mail.example.com ",
  ],
  ["#all of them", [], "m: comment at end of line is not supported: #all of them"],
  ["a#b inline:{ #x=y } {c d}", ["a#b", "inline:{ #x=y }", "c d"], undefined],
])("splitMatchList(%j) ends at a comment, as Postfix's lists do", (text, items, warning) => {
  const found = splitMatchList(text);
  expect<unknown>(found.items).toEqual(items);
  expect(found.comment === undefined ? undefined : commentText("m", found.comment)).toBe(warning);
});
