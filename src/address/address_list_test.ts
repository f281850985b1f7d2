import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { addressesIn, rewriteField } from "./address_list.ts";
import { quoteAddress } from "./address.ts";

const complete = (address: string) =>
  address.includes("@") || address === "" ? address : `${address}@example.com`;
const rewrite = (address: string, written: string) => {
  const made = complete(address);
  return quoteAddress(made) === written ? undefined : { address: made };
};
const rewritten = (value: string, limit = 1000) => rewriteField(`To:${value}`, limit, rewrite) as string;

const ROWS: readonly (readonly [value: string, wanted: string])[] = [
  [" a", " a@example.com"],
  ["a", " a@example.com"],
  [" a@b.example,c", " a@b.example, c@example.com"],
  [' "A, B" <a>, (x) c (y)', ' "A, B" <a@example.com>, c@example.com (x) (y)'],
  [" group: a, b@c;, d", " group: a@example.com, b@c;, d@example.com"],
  [" undisclosed-recipients:;", " undisclosed-recipients:;"],
  [' "a b"', ' "a b"@example.com'],
  [" <>", " <>"],
  [" A <a@[192.0.2.1]>", " A <a@[192.0.2.1]>"],
  [" <@r:a>", " <a@example.com>"],
  [' "a"@b.example', " a@b.example"],
  [" a b", " a@example.com, b@example.com"],
  [" J. B. Good <a>", " J.B.Good <a@example.com>"],
  [" <a (c) @ b>, c", " <a@b (c)>, c@example.com"],
  ["", ""],
];

describe("rewriteField()", () => {
  for (const [value, wanted] of ROWS) {
    test(JSON.stringify(value), async () => {
      expect(rewritten(value)).toBe(`To:${wanted}`);
      const late = rewriteField(`To:${value}\r\n`, 1000, (a, w) => Promise.resolve(rewrite(a, w)));
      expect(await late).toBe(`To:${wanted}\r\n`);
    });
  }

  test("leaves a field as it stands in which no address changes", () => {
    for (const value of [" a@b.example,\r\n  (x) c@d.example ", '\r\n\t"A"   <a@b>  ,<c@d>', " a@b ,"]) {
      expect(rewritten(value)).toBe(`To:${value}`);
    }
  });

  test("folds between addresses where a line would have 70 characters", () => {
    const field = rewritten(` ${Array.from({ length: 8 }, (_, i) => `user${i}`).join(",")}`);
    expect(field.split("\r\n\t").length).toBeGreaterThan(2);
    expect(field.split("\r\n\t").every((line) => line.length < 70)).toBe(true);
  });

  test("looks at no more than the limit, and loses nothing of what is behind it", () => {
    expect(rewritten(" a, b, c", 2)).toContain("a@example.com");
    expect(rewritten(" a, b, c", 2)).toEndWith(" b, c");
  });

  test("has no more to do when it has been done", () => {
    const value = fc.string({ unit: fc.constantFrom(...'ab@.<>,;:()[]"\\ \té'), maxLength: 20 });
    fc.assert(
      fc.property(value, (text) => {
        const once = rewritten(` ${text}`);
        expect(rewriteField(once, 1000, () => undefined)).toBe(once);
        expect(once).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
      }),
      { numRuns: 20_000 },
    );
  });

  test("takes time that grows with the field, not with its square", () => {
    for (const piece of ["<", "(", '"', ">", ",", "a ", "a,", ":;", "\\", "(a)", "<a>b"]) {
      const [short, long] = [piece.repeat(2_000), piece.repeat(20_000)].map((value) => {
        const before = process.cpuUsage();
        rewriteField(`To: ${value}`, 100_000, rewrite);
        const { user, system } = process.cpuUsage(before);
        return user + system;
      });
      // Ten times as much: a hundred times would be the square.
      expect(long!).toBeLessThan(40 * short! + 100_000);
    }
  });
});

test("addressesIn() finds addresses in internal form", () => {
  expect(addressesIn('A <a@b>, "c d"@e.example (x), g: f, <@r:h@i>;, <>', 100) as string[]).toEqual([
    "a@b",
    "c d@e.example",
    "f",
    "h@i",
  ]);
});
