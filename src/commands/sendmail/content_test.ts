import { expect, test } from "bun:test";
import fc from "fast-check";
import { Content, type ContentRules } from "./_content.ts";

const RULES: ContentRules = { dotEnds: true, lineEnds: "always", longestLine: 64 };

/** The message in `input`, which comes in pieces that end at `cuts`. */
function read(input: string, rules: Partial<ContentRules> = {}, cuts: readonly number[] = []): string {
  const content = new Content({ ...RULES, ...rules });
  const bytes = Buffer.from(input, "latin1");
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const pieces = [0, ...ends].map((from, at) => content.push(bytes.subarray(from, ends[at] ?? bytes.length)));
  return Buffer.concat([...pieces, content.end()]).toString("latin1");
}

/** What Postfix 3.7 has in its maildrop of each (observed), with `longestLine` for its line_length_limit. */
const CASES: readonly (readonly [string, string, Partial<ContentRules>])[] = [
  ["From foo bar\n>From x\n>>From y\nSubject: a\n\nbody\n", "Subject: a\n\nbody\n", {}],
  ["\nFrom foo bar\nSubject: a\n", "\nFrom foo bar\nSubject: a\n", {}],
  ["From foo", "From foo", {}],
  [`From ${"x".repeat(80)}\nb\n`, `From ${"x".repeat(80)}\nb\n`, {}],
  ["a\n\n.\nafter\n", "a\n\n", {}],
  ["a\n\n.\nafter\n", "a\n\n.\nafter\n", { dotEnds: false }],
  ["a\n..\n.b\nafter\n.", "a\n..\n.b\nafter\n", {}],
  [".", "", {}],
  [".\r", ".\r", {}],
  [".\nx\n", "", {}],
  ["a\r\n\r\nb\r\n.\r\nafter\r\n", "a\n\nb\n", {}],
  ["b\r\r\nx\r y\r\n.\r\r\nz", "b\nx\r y\n", {}],
  ["a\r\nb\r", "a\nb\r", {}],
  ["no newline", "no newline", {}],
  ["", "", {}],
  ["\n", "\n", {}],
  ["a\0b\n\nc\0d\n", "a\0b\n\nc\0d\n", {}],
  ["a\r\nb\r\n.\r\nc\n", "a\r\r\nb\r\r\n.\r\r\nc\n", { lineEnds: "never" }],
  ["a\r\nb\n.\nc\n", "a\r\r\nb\n", { lineEnds: "never" }],
  ["a\r\nb\nc\r\n", "a\nb\nc\n", { lineEnds: "strict" }],
  ["a\nb\r\nc\n", "a\nb\r\r\nc\n", { lineEnds: "strict" }],
  ["From x\r\na\r\nb\r\n", "a\nb\n", { lineEnds: "strict" }],
];

test.each(CASES)("%j is read as %j %j", (input, message, rules) => {
  expect(read(input, rules)).toBe(message);
});

test("a message is the same wherever standard input is cut into pieces", () => {
  const texts = fc.array(
    fc.constantFrom("\n", "\r", ".", "a", "From ", ">", "\r\n", "\n.\n", "x".repeat(70)),
    {
      maxLength: 20,
    },
  ).map((parts) => parts.join(""));
  const rules = fc.record({
    dotEnds: fc.boolean(),
    lineEnds: fc.constantFrom("always" as const, "strict" as const, "never" as const),
  });
  fc.assert(fc.property(texts, rules, fc.array(fc.nat(200)), (text, each, cuts) => {
    expect(read(text, each, cuts)).toBe(read(text, each));
  }));
});
