import { expect, test } from "bun:test";
import fc from "fast-check";
import { ContentSplitter } from "./content_splitter.ts";

function split(pieces: readonly string[]) {
  let fields: readonly string[] | undefined;
  let body = "";
  const splitter = new ContentSplitter({
    header(given) {
      expect(fields).toBeUndefined();
      fields = given;
    },
    body(bytes) {
      expect(fields).toBeDefined();
      body += Buffer.from(bytes).toString("latin1");
    },
  });
  for (const piece of pieces) splitter.push(Buffer.from(piece, "latin1"));
  splitter.end();
  return { fields, body, isCut: splitter.isCut };
}

test.each([
  ["A: 1\r\nB: 2\r\n 3\r\n\r\nbody\r\n", ["A: 1\r\n", "B: 2\r\n 3\r\n"], "body\r\n"],
  ["A: 1\r\n\r\n", ["A: 1\r\n"], ""],
  ["A: 1\r\n", ["A: 1\r\n"], ""],
  ["A: 1", ["A: 1\r\n"], ""],
  ["\r\nbody", [], "body"],
  ["\r\n\r\nbody", [], "\r\nbody"],
  ["", [], ""],
  ["A: \xe4\r\n\t\r\n\r\n\xff", ["A: \xe4\r\n\t\r\n"], "\xff"],
])("ContentSplitter parts %j", (text, fields, body) => {
  expect(split([text])).toEqual({ fields, body, isCut: false });
  expect(split([...text])).toEqual({ fields, body, isCut: false });
});

test("ContentSplitter parts alike wherever pieces end", () => {
  const text = fc.array(fc.constantFrom("A: b\r\n", "\r\n", " c", "\r", "\n", "x".repeat(9000)), {
    maxLength: 12,
  });
  fc.assert(fc.property(text, fc.array(fc.nat(20_000), { maxLength: 5 }), (parts, cuts) => {
    const whole = parts.join("");
    const at = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length];
    expect(split(at.slice(1).map((end, i) => whole.slice(at[i], end)))).toEqual(split([whole]));
  }));
});

test("ContentSplitter keeps no endless header", () => {
  const line = `A: ${"x".repeat(97)}\r\n`;
  const { fields, body, isCut } = split(Array.from({ length: 5000 }, () => line));
  expect(isCut).toBe(true);
  expect(fields!.join("").length + body.length).toBe(5000 * line.length + 2);
  expect(fields!.join("").length).toBeLessThanOrEqual(262_146);
});
