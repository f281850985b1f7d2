import { expect, test } from "bun:test";
import fc from "fast-check";
import { authorDomains, authorsHidden } from "./author_domains.ts";

test.each([
  [["From: ann@Example.COM\r\n"], ["example.com"]],
  [["Subject: x\r\n", "FROM : Ann <ann@example.com.>\r\n", "To: bob@example.org\r\n"], ["example.com"]],
  [['From: "ceo@bank.example" <x@evil.example>\r\n'], ["evil.example"]],
  [["From: a@example.com,\r\n\tb@example.org, c@EXAMPLE.com\r\n"], ["example.com", "example.org"]],
  [["From: a@example.com\r\n", "From: b@example.org\r\n"], ["example.com", "example.org"]],
  [["From: <ceo@bank.example> <x@evil.example>\r\n"], ["bank.example", "evil.example"]],
  [["From: team: a@example.com, b@example.org;\r\n"], ["example.com", "example.org"]],
  [["From: Ann <ann@a(comment).example>\r\n"], ["a.example"]],
  [["From: ann@\xc3\xbc.example\r\n"], ["xn--tda.example"]],
  [["From: <@relay.example:ann@example.com>\r\n"], ["example.com"]],
  // No list of addresses, and a reader would be shown one all the same.
  [["From: ceo@bank.example (x\r\n"], ["bank.example"]],
  [["From: undisclosed:;\r\n"], []],
  // What is not seen parts no name.
  [["From: x@evil.example, ceo@ba\x00nk.example\r\n"], ["evil.example", "bank.example", "ba"]],
  // Cleanup ends the line there.
  [["From: ceo@bank.example\x00.evil.example\r\n"], ["bank.example.evil.example", "bank.example"]],
  [["From: x@evil.example\r\n", "Fr\x00om: ceo@bank.example\r\n"], ["evil.example", "bank.example"]],
  // What is no domain hides none behind another author's.
  [["From: ceo@bank.example\xff, x@evil.example\r\n"], ["bank.example", "evil.example"]],
  [["From: x@evil.example\r\n", "From: ceo@bank.example\xff\r\n"], ["evil.example", "bank.example"]],
  [["From: ceo@ba\xffnk.example\r\n"], ["ba", "bank.example"]],
  [["From: ceo@bank.example.., x@evil.example\r\n"], ["bank.example", "evil.example"]],
  [["From: ceo@bank.example/, x@evil.example\r\n"], ["bank.example", "evil.example"]],
  [["From: ceo@[bank.example], x@evil.example\r\n"], ["bank.example", "evil.example"]],
  [["From: ceo@bank.example|x@evil.example\r\n"], ["evil.example", "bank.example"]],
  // The first brackets are what many readers believe.
  [["From: <ceo@bank.example>:;, <x@evil.example>\r\n"], ["evil.example", "bank.example"]],
  [["From: <ceo@bank.example>: x@evil.example;\r\n"], ["evil.example", "bank.example"]],
  [["From: <<ceo@bank.example>, x@evil.example>\r\n"], ["evil.example", "bank.example"]],
  [['From: "<ceo@bank.example>" (<ceo@bank.example>) <x@evil.example>\r\n'], ["evil.example"]],
  [["From: ceo@bank\xe2\x80\x8b.example\r\n"], ["bank.example"]],
  [
    [`From: ceo@bank.example${Buffer.from("\u{e0041}\u3164").toString("latin1")}, x@evil.example\r\n`],
    ["bank.example", "evil.example"],
  ],
  [["From: ann@[192.0.2.1]\r\n"], []],
  [["From: ann\r\n"], []],
  [["From:\r\n"], []],
  [["From: ann@\xc3\xbc.example/bank.example\r\n"], ["xn--tda.example"]],
  [["Sender: ann@example.com\r\n"], []],
])("authorDomains(%j)", (fields, domains) => expect(authorDomains(fields)).toEqual(domains));

test.each([
  [["From: a@b.example\r\n"], undefined],
  [["From: a\r\n"], undefined],
  [["From: a@b.example\r\n", "From: c@d.example\r\n"], undefined],
  [["From: a@b.example\r\n", "From: c\r\n"], "one of several From: fields has no domain"],
  [Array<string>(21).fill("From: a@b.example\r\n"), "From: is too large to be looked at"],
  [["From x\r\n", ">From y\r\n", "X: y\r\n", "From : a@b.example\r\n", "body\r\n"], undefined],
  [["X: y\r\n", "body\r\n", "From: a@b.example\r\n"], "From: stands behind a line that is no header field"],
  [[" X: y\r\n", "From: a@b.example\r\n"], "From: stands behind a line that is no header field"],
  [["X\0: y\r\n", "From: a@b.example\r\n"], "From: stands behind a line that is no header field"],
  [["From: a@b.example\r\n", `From: ${"c, ".repeat(20_000)}\r\n`], "From: is too large to be looked at"],
])("authorsHidden(%j)", (fields, why) => expect(authorsHidden(fields)).toBe(why));

const piece = fc.oneof(
  fc.constantFrom(
    "a@b.example",
    "<",
    ">",
    ",",
    '"',
    "(",
    ")",
    "@",
    ":",
    ";",
    "\\",
    "\r\n ",
    "[",
    "]",
    "=?utf-8?q?",
  ),
  fc.string({ unit: "binary", maxLength: 6 }),
);

test("authorDomains() answers with names of DNS, whatever From: has", () => {
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
    for (const domain of authorDomains([`From: ${pieces.join("")}\r\n`])) {
      expect(domain).toMatch(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/);
      expect(domain.length).toBeLessThanOrEqual(253);
    }
  }));
});

test("authorDomains() of a long field takes time in proportion", () => {
  expect(authorDomains([`From: ${"a@b.example, ".repeat(20_000)}\r\n`])).toEqual(["b.example"]);
  expect(authorDomains([`From: ${"@".repeat(200_000)}\r\n`])).toEqual([]);
  expect(authorDomains([`From: (${"(".repeat(200_000)}\r\n`])).toEqual([]);
});
