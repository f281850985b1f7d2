import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseMainCf } from "./main_cf.ts";

const read = (text: string) => {
  const { entries, diagnostics } = parseMainCf(text, "/x/main.cf");
  return {
    values: Object.fromEntries([...entries].map(([name, { value }]) => [name, value])),
    lines: Object.fromEntries([...entries].map(([name, { line }]) => [name, line])),
    texts: diagnostics.map(({ level, text }) => `${level}: ${text}`),
  };
};

describe("parseMainCf()", () => {
  test.each([
    ["a = b", { a: "b" }],
    ["a=b=c\n", { a: "b=c" }],
    ["a =\n b\n  c\n", { a: "b  c" }],
    ["a = b # c\n", { a: "b # c" }],
    ["a = b\\\nc = d\n", { a: "b\\", c: "d" }],
    ["a = b\n\n# x\n  # y\n\tc\n", { a: "b\tc" }],
    ["a = b\r\n c\r\n", { a: "b\r c" }],
    ["a =  x   y  \n", { a: "x   y" }],
    ["a =\n", { a: "" }],
    ["$x = 1\n", { "$x": "1" }],
    ["A = 1\na = 2\n", { A: "1", a: "2" }],
    ["# only\n\n", {}],
    ["", {}],
    ["a = \u00a0b\u00a0\n", { a: "\u00a0b\u00a0" }],
  ])("%j", (text, values) => {
    const found = read(text);
    expect(found.values).toEqual(values);
    expect(found.texts).toEqual([]);
  });

  test("names the first physical line of an entry", () => {
    expect(read("# 1\n\na = b\n  c\n\nd = e\n").lines).toEqual({ a: 3, d: 6 });
  });

  test.each([
    ["foo\n", "fatal: /x/main.cf, line 1: missing '=' after attribute name: \"foo\""],
    ["\nfoo bar = x\n", "fatal: /x/main.cf, line 2: missing '=' after attribute name: \"foo bar = x\""],
    ["= bar\n", 'fatal: /x/main.cf, line 1: missing attribute name: "= bar"'],
    ["  x = y\n", 'warning: /x/main.cf: logical line must not start with whitespace: "  x = y"'],
    [
      `  ${"x".repeat(40)}\n`,
      `warning: /x/main.cf: logical line must not start with whitespace: "  ${"x".repeat(28)}..."`,
    ],
    ["a = 1\na = 2\n", "warning: /x/main.cf, line 2: overriding earlier entry: a=1"],
  ])("%j earns its complaint", (text, complaint) => {
    expect(read(text).texts).toEqual([complaint]);
  });

  test("an identical repeat is silent, and the last of different ones holds", () => {
    expect(read("a = 1\na = 1\n").texts).toEqual([]);
    expect(read("a = 1\na = 2\n").values).toEqual({ a: "2" });
  });

  test("reports every bad line and keeps the good ones", () => {
    const found = read("a = 1\nbad\nb = 2\n= x\n");
    expect(found.values).toEqual({ a: "1", b: "2" });
    expect(found.texts).toHaveLength(2);
  });

  test("never throws, and every entry's line is a line of the file", () => {
    const unit = fc.constantFrom("a", "b", "=", " ", "\t", "\n", "\r", "#", "$", "{", "\\", "\u00e9", "\0");
    fc.assert(fc.property(fc.string({ unit, maxLength: 80 }), (text) => {
      const count = text.split("\n").length;
      for (const { line, name } of parseMainCf(text, "/x/main.cf").entries.values()) {
        expect(line).toBeGreaterThan(0);
        expect(line).toBeLessThanOrEqual(count);
        expect(text.split("\n")[line - 1]!.startsWith(name)).toBe(true);
      }
    }));
  });

  test("what is written as name = value comes back", () => {
    const name = fc.stringMatching(/^[a-z_][a-z0-9_]*$/);
    const value = fc.stringMatching(/^([!-~]([ -~]*[!-~])?)?$/);
    fc.assert(fc.property(fc.dictionary(name, value), (values) => {
      const text = Object.entries(values).map(([key, each]) => `${key} = ${each}\n`).join("");
      expect(read(text).values).toEqual({ ...values });
    }));
  });
});
