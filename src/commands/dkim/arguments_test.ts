import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseKeyEntries } from "../../cleanup/signing/key_table.ts";
import { parseDkimArguments } from "./_arguments.ts";

const made = (selector: string) => parseDkimArguments(["genkey", "example.com", "--selector", selector]);

test("a key is made for no selector that dkim_signing_keys would not take, or that is no name", () => {
  for (const bad of ["", "a..b", ".a", "a.", "-a", "a-", "a b", "../a", "x".repeat(64)]) {
    expect([bad, made(bad)]).toEqual([bad, { why: expect.stringContaining("a selector has") }]);
  }
  for (const good of ["s1", "a.b", "mta_2026-11.eu", "x".repeat(63)]) {
    expect(made(good)).toMatchObject({ selector: good });
  }
  fc.assert(fc.property(fc.stringMatching(/^[a-z0-9._-]{1,70}$/), (selector) => {
    if ("why" in (made(selector) as object)) return;
    expect(parseKeyEntries("example.com", `${selector}:/k`)).toMatchObject([{ selector }]);
  }));
});
