import { expect, test } from "bun:test";
import fc from "fast-check";
import { editDistance, nearest } from "./nearest.ts";
import { ROWS } from "../config/scope.ts";

test.each([
  ["Mynetworks", "mynetworks"],
  ["my_networks", "mynetworks"],
  ["mydestinaton", "mydestination"],
  ["relay_host", "relayhost"],
  ["smptd_banner", "smtpd_banner"],
  ["smtpd_recipient_restriction", "smtpd_recipient_restrictions"],
  ["smtpd-tls-cert-file", "smtpd_tls_cert_file"],
  ["zzzzzz", undefined],
  ["color", undefined],
])("%s probably means %p", (name, meant) => {
  expect(nearest(name, ROWS.keys())).toBe(meant!);
});

test("editDistance() is a distance: zero for equals, the same both ways, never over its limit by more than one", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
  fc.assert(fc.property(text, text, (a, b) => {
    expect(editDistance(a, a, 3)).toBe(0);
    expect(editDistance(a, b, 3)).toBe(editDistance(b, a, 3));
    expect(editDistance(a, b, 3)).toBeLessThanOrEqual(4);
    if (a !== b) expect(editDistance(a, b, 3)).toBeGreaterThan(0);
  }));
});
