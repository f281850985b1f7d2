import { expect, test } from "bun:test";
import fc from "fast-check";
import { fullNameText } from "./full_name.ts";

test.each(
  [
    ["abc def", "phrase", "abc def"],
    ["foo@bar", "phrase", '"foo@bar"'],
    ['Ann "The" O\\', "phrase", '"Ann \\"The\\" O\\\\"'],
    ["  Ann\t \nO'Hara ", "phrase", "Ann O'Hara"],
    [" ", "phrase", undefined],
    [")foo )bar", "comment", "foo bar"],
    ["(foo (bar", "comment", "(foo (bar))"],
    ["foo\\bar", "comment", "foo\\bar"],
    ["foo\\", "comment", "foo"],
    ["foo\\\\", "comment", "foo\\\\"],
    ["Jürgen Groß", "phrase", "=?utf-8?Q?J=C3=BCrgen_Gro=C3=9F?="],
  ] as const,
)("the full name %j is the %s %j", (name, place, text) => {
  expect(fullNameText(name, { place, charset: "utf-8" })).toBe(text);
});

test("a name that the wanted character set has is encoded in it", () => {
  const latin = { place: "phrase", charset: "ISO-8859-1" } as const;
  expect(fullNameText("Jürgen", latin)).toBe("=?iso-8859-1?Q?J=FCrgen?=");
  expect(fullNameText("Łukasz", latin)).toBe("=?utf-8?Q?=C5=81ukasz?=");
});

test("whatever the name is, it stays inside its phrase or comment, and no encoded word is too long", () => {
  const places = fc.constantFrom("phrase" as const, "comment" as const);
  fc.assert(fc.property(fc.string({ unit: "binary" }), places, (name, place) => {
    const text = fullNameText(name, { place, charset: "utf-8" }) ?? "";
    expect(text).toMatch(/^[\x20-\x7e]*$/);
    for (const word of text.match(/=\?utf-8\?Q\?\S*\?=/g) ?? []) expect(word.length).toBeLessThanOrEqual(75);
    const bare = text.replace(/\\./g, "");
    if (place === "comment") {
      let open = 0;
      for (const char of bare) {
        open += char === "(" ? 1 : char === ")" ? -1 : 0;
        expect(open).toBeGreaterThanOrEqual(0);
      }
      expect(open).toBe(0);
    } else if (!/^"[^"]*"$/.test(bare)) expect(bare).not.toMatch(/[()<>@,;:\\".[\]]/);
  }));
});
