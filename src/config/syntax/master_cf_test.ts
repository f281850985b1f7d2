import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { masterFields, normalizeWords, splitWords } from "./master_fields.ts";
import { parseMasterCf } from "./master_cf.ts";

const words = (text: string) => masterFields(`a unix - - n - - smtpd ${text}`).words.slice(8);

describe("the arguments of an entry", () => {
  test.each([
    ["-o a=b", ["-o", "a=b"]],
    ["-o { a = b  c }", ["-o", "a=b  c"]],
    ["-o {a=b}", ["-o", "a=b"]],
    ["-o{ a = b }", ["-o", "a=b"]],
    ["-oa=b", ["-o", "a=b"]],
    ["-vo a=b -D", ["-v", "-o", "a=b", "-D"]],
    ["-ofoo=bar", ["-o", "foo=bar"]],
    ["flags=R {argv=x y} {{n}}", ["flags=R", "argv=x y", "{n}"]],
    ["-- -o a=b", ["--", "-o", "a=b"]],
    ["x -o a=b", ["x", "-o", "a=b"]],
    ["-o", ["-o"]],
  ])("%s", (text, expected) => {
    expect(words(text)).toEqual(expected);
  });

  test("postconf's eyes see another option in -ofoo=bar", () => {
    expect(normalizeWords(splitWords("a unix - - n - - smtpd -ofoo=bar"), "postconf").words.slice(8))
      .toEqual(["-o", "f", "-o", "-o=bar"]);
  });
});

describe("parseMasterCf()", () => {
  const read = (text: string) => parseMasterCf(text, "/x/master.cf");

  test("joins continuation lines over comments", () => {
    const { entries, diagnostics } = read(
      "# head\nsmtp inet n - n - - smtpd\n  -o a=b\n# between\n\n  -o c=d\nx unix - - n - - smtp\n",
    );
    expect(diagnostics).toEqual([]);
    expect(entries.map(({ name, line, options }) => ({ name, line, options }))).toEqual([
      { name: "smtp", line: 2, options: [{ name: "a", value: "b" }, { name: "c", value: "d" }] },
      { name: "x", line: 7, options: [] },
    ]);
  });

  test("reports every bad entry and keeps the good ones", () => {
    const { entries, diagnostics } = read("a\nsmtp inet n - n - - smtpd\nb foo\nc unix - - n - - smtp -z\n");
    expect(entries.map(({ name }) => name)).toEqual(["smtp", "c"]);
    expect(diagnostics.map(({ level, text }) => `${level} ${text}`)).toEqual([
      'fatal /x/master.cf: line 1: missing "transport type" field',
      "fatal /x/master.cf: line 3: bad transport type: foo",
      "warning /x/master.cf: line 4: smtp: unknown option: -z",
    ]);
  });

  test("never throws, and every entry's line is a line of the file", () => {
    const unit = fc.constantFrom(
      "smtp ",
      "unix ",
      "inet ",
      "- ",
      "n ",
      "y ",
      "5? ",
      "-o ",
      "{",
      "}",
      "a=b ",
      "=",
      "\n",
      " ",
      "#",
      "\t",
      "\r",
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
        const { entries } = read(text);
        for (const { line } of entries) expect(line).toBeLessThanOrEqual(text.split("\n").length);
      }),
      { numRuns: 1000 },
    );
  });
});
