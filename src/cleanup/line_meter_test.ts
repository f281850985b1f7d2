import { expect, test } from "bun:test";
import fc from "fast-check";
import { LineMeter } from "./line_meter.ts";

test("LineMeter finds the longest line over 998 bytes however the content is cut", () => {
  const line = fc.oneof(
    fc.nat(80),
    fc.integer({ min: 900, max: 1_100 }),
    fc.integer({ min: 1_900, max: 3_100 }),
  );
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 8 }),
      fc.array(fc.nat(9_000), { maxLength: 5 }),
      (lines, cuts) => {
        const bytes = Buffer.from(lines.map((length) => `${"x".repeat(length)}\r\n`).join(""));
        const meter = new LineMeter();
        const edges = [
          0,
          ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
          bytes.length,
        ];
        for (let i = 1; i < edges.length; i++) meter.push(bytes.subarray(edges[i - 1], edges[i]));
        expect(meter.longest).toBe(Math.max(998, ...lines));
      },
    ),
    { numRuns: 500 },
  );
});
