import { expect, test } from "bun:test";
import fc from "fast-check";
import { rewriteAddresses } from "./header_addresses.ts";

const complete = (address: string) => address.includes("@") ? address : `${address}@example.com`;

test("rewriteAddresses() changes addresses and nothing else", async () => {
  const rows = [
    [" a", " a@example.com"],
    [" a@b.example, c", " a@b.example, c@example.com"],
    [' "A, B" <a>, (x) c (y)', ' "A, B" <a@example.com>, (x) c@example.com (y)'],
    [" group: a, b@c;, d", " group: a@example.com, b@c;, d@example.com"],
    [" undisclosed-recipients:;", " undisclosed-recipients:;"],
    [' "a b"', ' "a b"@example.com'],
    [" <>", " <>"],
    ["\r\n\ta,\r\n\tb", "\r\n\ta@example.com,\r\n\tb@example.com"],
    [" A <a@[192.0.2.1]>", " A <a@[192.0.2.1]>"],
    [" <@r:a>", " <a@example.com>"],
    ["", ""],
  ] as const;
  for (const [value, wanted] of rows) {
    expect(rewriteAddresses(value, 100, complete)).toBe(wanted);
    expect(await rewriteAddresses(value, 100, (address) => Promise.resolve(complete(address)))).toBe(wanted);
  }
});

test("rewriteAddresses() looks at no more addresses than the limit", () => {
  expect(rewriteAddresses(" a, b, c", 2, complete)).toBe(" a@example.com, b@example.com, c");
});

test("rewriteAddresses() reads a value with one address as it reads the same value among others", () => {
  const value = fc.string({ unit: fc.constantFrom(...'ab@.<>,;:()[]"\\ \t\r\né'), maxLength: 14 });
  fc.assert(
    fc.property(value, (text) => {
      const alone = rewriteAddresses(text, 100, (address) => `${address}!`);
      expect(rewriteAddresses(`x@y, ${text}`, 100, (address) => `${address}!`)).toBe(`x@y!, ${alone}`);
    }),
    { numRuns: 5_000 },
  );
});
