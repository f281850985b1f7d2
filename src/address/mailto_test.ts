import { expect, test } from "bun:test";
import fc from "fast-check";
import { mailtoAddress } from "./mailto.ts";

test("mailtoAddress() takes a plain address, and nothing that could be more", () => {
  const rows: readonly (readonly [uri: string, address: string | undefined])[] = [
    ["mailto:a@example.com", "a@example.com"],
    ["MAILTO:a%2Bb@example.com", "a+b@example.com"],
    ["mailto:a@example.com?subject=x&bcc=b@example.com", "a@example.com"],
    ["mailto:a@example.com%0d%0abcc:b@example.com", undefined],
    ["mailto:%22a b%22@example.com", undefined],
    ["mailto:a@example.com,b@example.com", undefined],
    ["mailto:", undefined],
    ["https://example.com/", undefined],
  ];
  for (const [uri, address] of rows) expect(mailtoAddress(uri) as string | undefined).toBe(address);
  fc.assert(fc.property(fc.string(), (text) => {
    expect(mailtoAddress(`mailto:${text}`) ?? "a@b").toMatch(/^[\x21-\x7e]+@[\x21-\x7e]+$/);
  }));
});
