import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Address, internalAddress, quoteAddress, splitAddress } from "./address.ts";

test("splitAddress() splits at the last @", () => {
  expect(splitAddress("a@b@c")).toEqual({ local: "a@b", domain: "c" });
  expect(splitAddress("a")).toEqual({ local: "a", domain: "" });
  expect(splitAddress("")).toEqual({ local: "", domain: "" });
});

test("quoteAddress() quotes what is no dot-string", () => {
  const rows = [
    ["", ""],
    ["a@b", "a@b"],
    ["a b@c", '"a b"@c'],
    ['a"\\@c', '"a\\"\\\\"@c'],
    ["a..b@c", '"a..b"@c'],
    [".a@c", '".a"@c'],
    ["a@b@c", '"a@b"@c'],
    ["é@c", "é@c"],
    ["postmaster", "postmaster"],
  ] as const;
  for (const [internal, external] of rows) expect(quoteAddress(internal)).toBe(external);
});

test("quoteAddress() is one line whatever the address", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "@", '"', "\\", " ", "\r", "\n", "\0", "[", "é") });
  fc.assert(fc.property(text, (address) => expect(quoteAddress(address)).not.toMatch(/[\r\n\0]/)));
});

test("neither a bare text nor the external form passes for an address of an envelope", () => {
  const address: Address = internalAddress("a b@example.com");
  // @ts-expect-error what a text means has to be said
  const bare: Address = "a b@example.com";
  // @ts-expect-error the external form is quoted
  const external: Address = quoteAddress(address);
  expect<unknown>([bare, external]).toEqual(["a b@example.com", '"a b"@example.com']);
});
