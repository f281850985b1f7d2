import { expect, test } from "bun:test";
import fc from "fast-check";
import { oneLine } from "../base/printable.ts";
import { quoteAddress, quoteLocal } from "./address.ts";
import { parsePath, readAddress } from "./path.ts";

// Path as given, and the sender that Postfix 3.7.11 logs for it (external form); undefined: 501 bad address syntax.
const OBSERVED: readonly (readonly [string, string | undefined])[] = [
  ['"<a@b>"', undefined],
  ["a b@c", undefined],
  ['<"a"b@c>', undefined],
  ['<a."b c".d@e>', '"a.b c.d"@e'],
  ['<a@"b">', "a@b"],
  ["<a@b>SIZE=1", undefined],
  ["<a@1.2>", undefined],
  ["<a@1.2.3.4.5>", undefined],
  ["<a@123>", undefined],
  ["<\\-a@b>", undefined],
  ["<a@[1.2.3.4>", "a@[1.2.3.4]"],
  ["<é@b>", "é@b"],
  ["<@route:a@b>", "a@b"],
  ["<@r1,@r2:a@b>", "a@b"],
  ['<"">', ""],
  ["<a..b@c>", '"a..b"@c'],
  ["<.a@c>", '".a"@c'],
  ["<a@c.>", "a@c."],
  ["<@c>", '""@c'],
  ["<a@b@c>", '"a@b"@c'],
  ["<a>", "a"],
  ['<"a\\"b"@c>', '"a\\"b"@c'],
  ["<a(comment)@c>", "a@c"],
  ["<a:b@c>", '"a:b"@c'],
  ["<a!b>", "a!b"],
  ['<"a@b">', "a@b"],
  ["< a@b >", "a@b"],
  ["<a\\@b@c>", '"a@b"@c'],
  ['"a b"@c', '"a b"@c'],
  ['<""@c>', '""@c'],
  ["<[a]@c>", '"[a]"@c'],
  ["<[a]>", '"[a]"'],
  ["<a b>", undefined],
  ["<a b@c d>", undefined],
  ['<"a b">', '"a b"'],
  ['<"a"."b"@c>', "a.b@c"],
  ['<"ab"@c>', "ab@c"],
  ["<a@b .c>", "a@b.c"],
  ["<a . b@c>", "a.b@c"],
  ["<a @ b>", "a@b"],
  ["<a\\ b@c>", '"a b"@c'],
  ["<<>>", ""],
  ["<<<a@b>>>", undefined],
  ["<a<b@c>>", "b@c"],
  ["<(x)>", ""],
  ["<a@[IPv6:::1]>", "a@[IPv6:::1]"],
  ["<a@[IPv6:2001:DB8::1]>", "a@[IPv6:2001:DB8::1]"],
  ["<a@[IPv6:127.0.0.1]>", undefined],
  ["<a@[::1]>", undefined],
  ['<"a\rb"@c>', '"a b"@c'],
  ['<"a\\\rb\tc"@d>', '"a b c"@d'],
  ["<A@B>", "A@B"],
  ["<a@b.>", "a@b."],
  ["<a@b..>", undefined],
  ["<a@.b>", undefined],
  ["<a@b%c>", undefined],
  ["<@b>", '""@b'],
  ["<a,b>", undefined],
  ["<a;>", "a"],
  ["<@a:>", ""],
  ["<@a>", '""@a'],
  ["<@a:b>", "b"],
  ["<:a@b>", '":a"@b'],
  ["<a@b:c@d>", '"a@b:c"@d'],
  ["<a@[1.2.3.4]:25>", undefined],
  ["<a@[1.2.3.4].>", "a@[1.2.3.4]."],
  ['<"a>', undefined],
  ['<a">', undefined],
  ['<a"b"@c>', undefined],
  ['a"b"@c', undefined],
  ["<a\\>", undefined],
  ["<#1>", "#1"],
  ["<a@#1>", undefined],
  ["<a@bücher.example>", undefined],
  ["<a+b@c>", "a+b@c"],
  ["<-@b>", undefined],
  ['<"-a"@b>', undefined],
  ["<a@b\tc>", undefined],
  ["(a)", ""],
  ["<a@(x)b>", "a@b"],
  ["<a@b(x)>", "a@b"],
  ["a(x)@b", "a@b"],
  ["<?@b>", "?@b"],
  ["<a@b=c>", undefined],
  ["<a@b/c>", undefined],
  ["<a@*>", undefined],
  ["<*@a>", "*@a"],
  ["<owner-list@b.org>", "owner-list@b.org"],
  ["<a@_b>", "a@_b"],
  ["<a@b_>", "a@b_"],
  ["<a@0x1>", "a@0x1"],
  ["<a@1.2.3.256>", undefined],
  ["<a@1.2.3.4.com>", "a@1.2.3.4.com"],
];

test("parsePath() takes and refuses what Postfix does", () => {
  const ours = OBSERVED.map(([path]) => {
    const address = parsePath(path);
    return [path, address === undefined ? undefined : quoteAddress(address)];
  });
  expect(ours).toEqual(OBSERVED.map(([path, sender]) => [path, sender]));
});

test("readAddress() reads an address as it reads it behind a blank", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab@.-+é\\ "(),:'), maxLength: 10 }), (text) => {
      expect(readAddress(` ${text}`)).toBe(readAddress(text)!);
    }),
    { numRuns: 5_000 },
  );
});

test("quoteAddress() writes an address as its parts are written", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab@.-+é\\ "\r\n'), maxLength: 10 }), (text) => {
      const at = text.lastIndexOf("@");
      const parts = at < 0 ? quoteLocal(text) : `${quoteLocal(text.slice(0, at))}${oneLine(text.slice(at))}`;
      expect(quoteAddress(text)).toBe(text === "" ? "" : parts);
    }),
    { numRuns: 5_000 },
  );
});

test("what ends in @ is an address when something before it, or resolve_null_domain, says where to", () => {
  const resolved = { dequoted: true, percent: true, bangs: true } as const;
  const rows = [
    ["<bob@>", {}, false],
    ["<bob@>", { nullDomain: true }, true],
    ["<@>", { nullDomain: true }, true],
    ["<bob@a.example@>", {}, false],
    ["<bob@a.example@>", resolved, true],
    ["<bob@bad..example@>", resolved, false],
    ["<bob@@>", resolved, false],
    ["<bob@@>", { ...resolved, nullDomain: true }, true],
    ["<bob%a.example@>", resolved, true],
    ["<a.example!bob@>", resolved, true],
    ["<bob%a.example@>", {}, false],
  ] as const;
  for (const [path, options, good] of rows) {
    expect([path, parsePath(path, options) !== undefined]).toEqual([path, good]);
  }
});
