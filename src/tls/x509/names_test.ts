import { expect, test } from "bun:test";
import { isHostMatch, namesToMatch } from "./names.ts";

const context = { nexthop: "Example.com", hostname: "mx1.example.net" };

test("namesToMatch() puts the destination and the server for the words that mean them", () => {
  expect(namesToMatch(["nexthop", "dot-nexthop", "Hostname", ".example.org", "mail.example.org"], context))
    .toEqual(["Example.com", ".Example.com", "mx1.example.net", ".example.org", "mail.example.org"]);
  expect(namesToMatch([".", "b\u00fccher.example", "\u3002b\u00fccher.example"], context))
    .toEqual(["xn--bcher-kva.example", ".xn--bcher-kva.example"]);
});

const MATCHES: readonly [string, string, boolean][] = [
  ["mail.example.com", "mail.example.com", true],
  ["MAIL.example.com", "mail.Example.COM", true],
  ["mail.example.com", "example.com", false],
  ["*.example.com", "mail.example.com", true],
  ["*.example.com", "a.b.example.com", false],
  ["*.example.com", "example.com", false],
  ["*.example.com", ".example.com", true],
  ["mail.example.com", ".example.com", true],
  ["a.b.example.com", ".example.com", true],
  ["example.com", ".example.com", false],
  ["badexample.com", ".example.com", false],
  ["*.com", "example.com", false],
  ["*", "localhost", false],
  ["m*.example.com", "mail.example.com", false],
  ["*l.example.com", "mail.example.com", false],
  ["mail.*.com", "mail.example.com", false],
  ["*.*.example.com", "a.b.example.com", false],
  ["*.example.com", "xn--bcher-kva.example.com", true],
  ["mail.example.com\0.evil.example", "mail.example.com", false],
  ["evil.example\0.example.com", ".example.com", false],
  ["*.example.com", "..example.com", false],
];

test.each(MATCHES)("isHostMatch() of %j and %j is %j", (host, name, matches) => {
  expect(isHostMatch(host, name)).toBe(matches);
});
