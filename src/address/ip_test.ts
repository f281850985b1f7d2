import { expect, test } from "bun:test";
import fc from "fast-check";
import { canonicalIp, formatIp, parseIp, withoutMapping } from "./ip.ts";

test.each([
  ["1.2.3.4", "1.2.3.4"],
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
  ["::ffff:c000:201", "::ffff:192.0.2.1"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
])("parseIp() reads %s as %s", (text, canonical) => {
  expect(canonicalIp(text)).toBe(canonical);
});

test.each([
  "",
  "1",
  "1.2.3",
  "1.2.3.",
  "1.2.3.4.5",
  "1.2.3.256",
  "01.2.3.4",
  "1.2.3.4 ",
  "0x1.2.3.4",
  "1.2.3.-4",
  "1..3.4",
  ":",
  ":::",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1::2::3",
  "12345::",
  "::1%eth0",
  "[::1]",
  "1:2:3:4:5:6:7:8::",
  "::1.2.3",
  "1.2.3.4::",
  ":1:2:3:4:5:6:7:8",
  "::g",
  "1:2:3:4:5:6:7:1.2.3.4",
])("parseIp() refuses %p", (text) => {
  expect(parseIp(text)).toBeUndefined();
});

test("formatIp() and parseIp() are inverse for every address", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((a) =>
      Uint8Array.from(a)
    ),
  );
  fc.assert(fc.property(bytes, (b) => {
    const ip = { family: b.length === 4 ? 4 as const : 6 as const, bytes: b };
    expect(parseIp(formatIp(ip))).toEqual(ip);
  }));
});

test("withoutMapping() sees an IPv4 address in every spelling of a v4-mapped one", () => {
  for (const text of ["::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1"]) {
    expect(withoutMapping(text)).toBe("192.0.2.1");
  }
  for (
    const text of ["192.0.2.1", "::1", "::192.0.2.1", "::fffe:192.0.2.1", "1::ffff:192.0.2.1", "unknown"]
  ) {
    expect(withoutMapping(text)).toBe(text);
  }
});
