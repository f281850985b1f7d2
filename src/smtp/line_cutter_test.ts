import { expect, test } from "bun:test";
import fc from "fast-check";
import { DotStuffer } from "./dot_stuffing.ts";
import { LineCutter } from "./line_cutter.ts";

const LIMIT = 20;

function cut(text: string, edges: readonly number[] = []): string {
  const cutter = new LineCutter(LIMIT);
  const bytes = Buffer.from(text, "latin1");
  const at = [0, ...edges.map((edge) => edge % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => {
    const piece = bytes.subarray(at[i], end);
    return (cutter.push(piece) ?? piece).toString("latin1");
  }).join("");
}

test("LineCutter leaves lines up to the limit alone", () => {
  const cutter = new LineCutter(LIMIT);
  expect(cutter.push(Buffer.from(`${"x".repeat(LIMIT)}\r\nshort\r\n`))).toBeUndefined();
  expect(cut(`${"x".repeat(LIMIT + 1)}\r\n`)).toBe(`${"x".repeat(LIMIT)}\r\n x\r\n`);
});

test("a message that was cut is not cut again on its way out, wherever its pieces end", () => {
  const line = fc.nat(70).map((length) => `${"y".repeat(length)}\r\n`);
  fc.assert(fc.property(fc.array(line), fc.array(fc.nat()), (lines, edges) => {
    const text = lines.join("");
    const made = cut(text, edges);
    expect(made).toBe(cut(text));
    const stuffer = new DotStuffer(LIMIT);
    const sent = Buffer.concat([...stuffer.push(Buffer.from(text)), ...stuffer.end()]).toString();
    expect(text === "" ? "\r\n" + made : made).toBe(text === "" ? "\r\n" : sent);
    expect(made.replaceAll("\r\n ", "")).toBe(text);
  }));
});
