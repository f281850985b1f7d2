import { expect, test } from "bun:test";
import fc from "fast-check";
import { hasAnomaly } from "./line_anomalies.ts";

const ANOMALY = /\n\.|\r(?!\n)|(?<!\r)\n/;
const LINE = `${"x".repeat(70)}\r\n`;

test("whatever is in a text of lines, and wherever, it is found as by a regular expression", () => {
  const piece = fc.constantFrom("\r", "\n", ".", "\r\n", "\r\n.", "\n.", "\0", "\xff", "a", "\r\r\n", LINE);
  fc.assert(
    fc.property(
      fc.nat({ max: 4000 }),
      fc.array(piece, { maxLength: 5 }),
      fc.nat({ max: 4000 }),
      (before, pieces, after) => {
        const text = LINE.repeat(60).slice(0, before) + pieces.join("") + LINE.repeat(60).slice(0, after);
        expect(hasAnomaly(Buffer.from(text, "latin1"))).toBe(ANOMALY.test(text));
      },
    ),
    { numRuns: 2000 },
  );
});

test("an anomaly is found at every place of a large text, and none where a text before had one", () => {
  const plain = Buffer.from(LINE.repeat(100));
  for (let at = 0; at < plain.length; at++) {
    for (const byte of [10, 13]) {
      const odd = Buffer.from(plain);
      odd[at] = byte;
      expect([at, hasAnomaly(odd)]).toEqual([at, ANOMALY.test(odd.toString("latin1"))]);
    }
  }
  expect(hasAnomaly(plain)).toBe(false);
  expect(hasAnomaly(plain.subarray(0, -1))).toBe(true);
  expect(hasAnomaly(plain.subarray(0, -2))).toBe(false);
});

test("what is larger than a socket's chunks is looked at too", () => {
  const plain = Buffer.from(LINE.repeat(20_000));
  expect(hasAnomaly(plain)).toBe(false);
  plain[plain.length - 2] = 10;
  expect(hasAnomaly(plain)).toBe(true);
});
