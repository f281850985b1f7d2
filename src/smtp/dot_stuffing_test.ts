import { expect, test } from "bun:test";
import fc from "fast-check";
import { DotStuffer, hasLineOver } from "./dot_stuffing.ts";

function encode(text: string, limit = 998, cuts: readonly number[] = []): string {
  const stuffer = new DotStuffer(limit);
  const bytes = Buffer.from(text, "latin1");
  const out: Buffer[] = [];
  let at = 0;
  for (const cut of [...cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    out.push(...stuffer.push(bytes.subarray(at, cut)));
    at = cut;
  }
  out.push(...stuffer.end());
  return Buffer.concat(out).toString("latin1");
}

test("dots at line starts are doubled, the last line is ended", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["", ""],
    ["a\r\n", "a\r\n"],
    ["a", "a\r\n"],
    [".", "..\r\n"],
    [".\r\n.\r\n", "..\r\n..\r\n"],
    ["a.\r\n..b\r\n", "a.\r\n...b\r\n"],
    ["a\n.\nb\r\n", "a\n..\nb\r\n"],
    ["a\r", "a\r\n"],
    ["a\r.\r\n", "a\r.\r\n"],
  ];
  for (const [text, wire] of rows) expect([text, encode(text)]).toEqual([text, wire]);
});

test("a long line is cut as Postfix does: 998, then a blank and 997", () => {
  const line = "x".repeat(998);
  expect(encode(`${line}\r\n`)).toBe(`${line}\r\n`);
  expect(encode(`${line}y\r\n`)).toBe(`${line}\r\n y\r\n`);
  expect(encode(`${line}${"y".repeat(998)}\r\n`)).toBe(`${line}\r\n ${"y".repeat(997)}\r\n y\r\n`);
  expect(encode(`.${"x".repeat(998)}\r\n`)).toBe(`..${"x".repeat(997)}\r\n x\r\n`);
});

test("content that needs nothing is passed on without a copy", () => {
  const bytes = Buffer.from("Subject: x\r\n\r\nhello\r\n");
  const stuffer = new DotStuffer(998);
  expect(stuffer.push(bytes)[0]).toBe(bytes);
  expect(stuffer.end()).toEqual([]);
});

const content = fc.array(fc.constantFrom("a", ".", "\r\n", "\r", "\n", "bcdefgh", "..", " "), {
  maxLength: 60,
})
  .map((parts) => parts.join(""));

test("where the chunks are cut makes no difference", () => {
  fc.assert(
    fc.property(
      content,
      fc.array(fc.nat(400), { maxLength: 8 }),
      fc.constantFrom(0, 5, 8, 998),
      (text, cuts, limit) => {
        expect(encode(text, limit, cuts)).toBe(encode(text, limit));
      },
    ),
    { numRuns: 3000 },
  );
});

test("undoing the dots gives the content back, and the end of data cannot occur in it", () => {
  fc.assert(fc.property(content, (text) => {
    const wire = encode(text, 0);
    expect(`\r\n${wire}`).not.toContain("\r\n.\r\n");
    expect(`\n${wire}`).not.toContain("\n.\r\n");
    expect(`\n${wire}`).not.toContain("\n.\n");
    const back = wire.replace(/(^|\n)\./g, "$1");
    expect([text, `${text}\r\n`, `${text}\n`]).toContain(back);
  }));
});

test("no line is longer than the limit", () => {
  fc.assert(fc.property(content, fc.integer({ min: 2, max: 12 }), (text, limit) => {
    for (const line of encode(text, limit).split("\n")) {
      const bare = line.replace(/\r$/, "").replace(/^\.\./, ".");
      expect(bare.length).toBeLessThanOrEqual(limit + 1);
    }
  }));
});

test("hasLineOver() agrees with a plain count", () => {
  const lines = fc.array(fc.nat(12), { minLength: 1, maxLength: 12 });
  fc.assert(fc.property(lines, fc.integer({ min: 1, max: 10 }), fc.nat(4), (lengths, limit, column) => {
    const bytes = Buffer.from(lengths.map((n) => `${"x".repeat(n)}\r\n`).join(""));
    const over = lengths.some((n, i) => n + (i === 0 ? column : 0) > limit);
    expect(hasLineOver(bytes, limit, column)).toBe(over);
  }));
});
