import { expect, test } from "bun:test";
import fc from "fast-check";
import { colonList, parseTagList, withoutSpace, withoutValueOf } from "./tag_list.ts";

function tags(text: string): Record<string, string> | string {
  const list = parseTagList(text);
  return "fault" in list ? list.fault : Object.fromEntries(list);
}

test("parseTagList() reads lists as RFC 6376 §3.2 writes them", () => {
  const rows: [string, Record<string, string> | string][] = [
    ["a=1", { a: "1" }],
    ["a=1;", { a: "1" }],
    [" a = 1 ;\r\n\tb=\r\n 2\r\n 3 ; ", { a: "1", b: "2\r\n 3" }],
    ["v=DKIM1; p=", { v: "DKIM1", p: "" }],
    ["a_b2=x=y==", { a_b2: "x=y==" }],
    ["a=1; A=2", { a: "1", A: "2" }],
    ["a=\xc3\xa9", { a: "\xc3\xa9" }],
    ["a=1; a=1", "a= comes twice"],
    ["", "an empty tag"],
    ["a=1;;b=2", "an empty tag"],
    ["a=1; ;", "an empty tag"],
    [";a=1", "an empty tag"],
    ["a=1; b", "a tag without ="],
    ["=1", "a tag without a proper name"],
    ["1a=1", "a tag without a proper name"],
    ["a b=1", "a tag without a proper name"],
    ["a-b=1", "a tag without a proper name"],
    ["a=\x00", "a character that may not be there"],
    ["a=1\r\nb", "a character that may not be there"],
    ["a=1\n 2", "a character that may not be there"],
    ["a=1\r 2", "a character that may not be there"],
    ["a=\x7f", "a character that may not be there"],
    [`a=${"x".repeat(70_000)}`, "too long"],
    [Array.from({ length: 101 }, (_, at) => `t${at}=`).join(";"), "too many tags"],
  ];
  for (const [text, wanted] of rows) expect(tags(text)).toEqual(wanted);
});

test("parseTagList() reads back what was printed", () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,5}$/);
  const value = fc.stringMatching(/^[!-:<-~]{0,12}$/);
  const space = fc.constantFrom("", " ", "\t", "\r\n ", " \r\n\t ");
  const tag = fc.record({ name, value, spaces: fc.array(space, { minLength: 4, maxLength: 4 }) });
  fc.assert(
    fc.property(
      fc.uniqueArray(tag, { minLength: 1, selector: (one) => one.name }),
      fc.boolean(),
      (all, ended) => {
        const specs = all.map(({ name, value, spaces: [a, b, c, d] }) => `${a}${name}${b}=${c}${value}${d}`);
        expect(tags(specs.join(";") + (ended ? ";" : "")))
          .toEqual(Object.fromEntries(all.map(({ name, value }) => [name, value])));
      },
    ),
  );
});

test("parseTagList() answers whatever comes", () => {
  const letters = fc.array(
    fc.constantFrom("a", "b", "=", ";", " ", "\r\n", "\r", "\n", "\t", "\xff", "\x00", ":"),
  );
  fc.assert(
    fc.property(letters, (all) => {
      expect(typeof parseTagList(all.join(""))).toBe("object");
    }),
    { numRuns: 2000 },
  );
});

test("withoutValueOf() empties one tag and touches nothing else", () => {
  expect(withoutValueOf("b", " a=b=1; bh=xx;\r\n\tb = ab\r\n\tcd ; z=b=2")).toBe(
    " a=b=1; bh=xx;\r\n\tb =; z=b=2",
  );
  expect(withoutValueOf("b", "b=abc")).toBe("b=");
  expect(withoutValueOf("b", "bh=abc; z")).toBe("bh=abc; z");
});

test("lists in values are read without the white space", () => {
  expect(colonList("From :\r\n\tTo:Subject")).toEqual(["From", "To", "Subject"]);
  expect(withoutSpace(" ab\r\n\tc d")).toBe("abcd");
});
