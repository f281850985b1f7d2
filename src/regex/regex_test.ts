import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { MatchLimitFault } from "./backtrack.ts";
import { RegexSyntaxError } from "./syntax_tree.ts";
import { compileRegex, type Regex } from "./regex.ts";
import { parsePerl } from "./perl.ts";
import { parsePosix } from "./posix.ts";
import { pcreCompile } from "../platform/pcre.ts";
import { processorTimeOf } from "../../test/kit/waiting.ts";

const POSIX = { ignoreCase: true, newline: false, extended: true };
const PERL = { i: true, m: false, s: true, x: false, A: false, E: false, U: false };

const posix = (pattern: string, flags = POSIX) => compileRegex(parsePosix(pattern, flags), "longest");
const perl = (pattern: string, flags = PERL) => compileRegex(parsePerl(pattern, flags), "first");

/** The whole match and its groups, as text; undefined for no match. */
function texts(regex: Regex, subject: string): string[] | undefined {
  const found = regex.find(subject);
  expect(regex.test(subject)).toBe(found !== undefined);
  if (found === undefined) return undefined;
  return Array.from({ length: regex.groups + 1 }, (_, group) => {
    const start = found[2 * group]!;
    return start < 0 ? "-" : subject.slice(start, found[2 * group + 1]!);
  });
}

test.each<[string, string, string[] | undefined]>([
  ["^a(b|bc)d$", "ABCD", ["ABCD", "BC"]],
  ["a|ab|abc", "xabcx", ["abc"]],
  ["(a+)(a*)", "aaa", ["aaa", "aaa", ""]],
  ["^$", "", [""]],
  ["^[[:digit:]]{2,3}$", "1234", undefined],
  ["[]a]+", "x]a]", ["]a]"]],
  ["[^]a]", "]ab", ["b"]],
  ["\\<cat\\>", "a cat!", ["cat"]],
  ["\\<cat\\>", "concat", undefined],
  ["a{,2}b", "aab", ["aab"]],
  ["(ab)*\\1", "ababab", ["ababab", "ab"]],
  ["x|()y", "y", ["y", ""]],
  ["a.c", "a\nc", ["a\nc"]],
  ["a)", "a)", ["a)"]],
])("POSIX /%s/ on %p", (pattern, subject, wanted) => {
  expect(texts(posix(pattern), subject)).toEqual(wanted as never);
});

test("POSIX flags: case, lines, basic syntax", () => {
  expect(posix("ABC", { ...POSIX, ignoreCase: false }).test("abc")).toBe(false);
  expect(posix("^b$", { ...POSIX, newline: true }).test("a\nb\nc")).toBe(true);
  expect(posix("a.b", { ...POSIX, newline: true }).test("a\nb")).toBe(false);
  const basic = { ...POSIX, extended: false };
  expect(texts(posix("\\(a\\{2\\}\\)b", basic), "aab")).toEqual(["aab", "aa"]);
  expect(posix("a+", basic).test("a+")).toBe(true);
  expect(posix("(a)", basic).test("a")).toBe(false);
});

test.each([
  ["(a", "Unmatched ( or \\("],
  ["[a", "Unmatched [, [^, [:, [., or [="],
  ["a{2", "Unmatched \\{"],
  ["a{3,2}", "Invalid content of \\{\\}"],
  ["*a", "Invalid preceding regular expression"],
  ["a|*b", "Invalid preceding regular expression"],
  ["[b-a]", "Invalid range end"],
  ["[[:foo:]]", "Invalid character class name"],
  ["a\\", "Trailing backslash"],
  ["(a{999}){999}", "Regular expression too big"],
])("POSIX /%s/ is refused: %s", (pattern, why) => {
  expect(() => posix(pattern)).toThrow(new RegexSyntaxError(why));
});

test.each<[string, string, string[] | undefined]>([
  ["^a(b|bc)(c?)d$", "ABCD", ["ABCD", "B", "C"]],
  ["a|ab|abc", "xabcx", ["a"]],
  ["(a+?)(a*)", "aaa", ["aaa", "a", "aa"]],
  ["^(?!bad)\\w+$", "badly", undefined],
  ["(?<=@)\\w+", "a@bc", ["bc"]],
  ["(?<!@)\\bb", "a@b b", ["b"]],
  ["(?>a+)b|a+c", "aaac", ["aaac"]],
  ["a++b", "aaab", ["aaab"]],
  ["(?i:A)b", "ab", ["ab"]],
  ["(?-i)A", "a", undefined],
  ["(?<n>x)\\k<n>", "xx", ["xx", "x"]],
  ["(.)\\1", "abccd", ["cc", "c"]],
  ["\\Qa.b\\E+", "a.b", ["a.b"]],
  ["a$", "a\n", ["a"]],
  ["a\\z", "a\n", undefined],
  ["[\\d-z]+", "1-z", ["1-z"]],
  ["[[:^alpha:]]", "a1", ["1"]],
  ["\\x41\\x{42}\\103", "abc", ["abc"]],
  ["(a|)*", "aa", ["aa", ""]],
  ["a{2}{2}", "aaaa", ["aaaa"]],
  ["x{,2}", "x{,2}", ["x{,2}"]],
  ["(?#note)a", "a", ["a"]],
])("Perl /%s/ on %p, by our own engine and by libpcre2", (pattern, subject, wanted) => {
  expect(texts(perl(pattern), subject)).toEqual(wanted as never);
  const library = pcreCompile(pattern, PERL);
  if (library === undefined || "error" in library) return;
  expect(library.match(subject)).toEqual(wanted?.map((text) => text === "-" ? "" : text) as never);
});

test("Perl flags", () => {
  expect(perl("a.b", { ...PERL, s: false }).test("a\nb")).toBe(false);
  expect(perl("^b$", { ...PERL, m: true }).test("a\nb")).toBe(true);
  expect(perl("a b # c", { ...PERL, x: true }).test("ab")).toBe(true);
  expect(perl("b", { ...PERL, A: true }).test("ab")).toBe(false);
  expect(perl("a$", { ...PERL, E: true }).test("a\n")).toBe(false);
  expect(texts(perl("a+", { ...PERL, U: true }), "aaa")).toEqual(["a"]);
});

test("what our own reading does not know is refused, never misread", () => {
  for (const pattern of ["(?R)", "(?1)a()", "(?(1)a|b)", "(*SKIP)a", "a\\Kb", "\\p{L}", "\\y", "(?P>x)"]) {
    expect(() => perl(pattern)).toThrow(RegexSyntaxError);
  }
});

describe("no text makes a pattern run away", () => {
  const hostile = `${"a".repeat(100_000)}!`;
  test("regular patterns are linear", () => {
    const took = processorTimeOf(() => {
      for (const pattern of ["^(a+)+$", "^(a|a?)+$", "(.*)(.*)(.*)(.*)x", "a.*b.*c.*d"]) {
        expect(posix(pattern).find(hostile)).toBeUndefined();
      }
    });
    expect(took).toBeLessThan(3000);
  });
  test("others give up", () => {
    const took = processorTimeOf(() => {
      expect(() => posix("^((a+)+)\\1$").find(hostile)).toThrow(MatchLimitFault);
      expect(() => perl("^(?=(a+)+$)").find(hostile)).toThrow(MatchLimitFault);
    });
    expect(took).toBeLessThan(3000);
  });
});

test("the automaton and the threads agree, and the match lies in the text", () => {
  const piece = fc.constantFrom(
    "a",
    "b",
    ".",
    "[ab]",
    "(a)",
    "(a|b)",
    "a*",
    "(b+)",
    "(a|)",
    "b?",
    "^",
    "$",
    "\\b",
    "|",
    "(ab)*",
  );
  const pattern = fc.array(piece, { minLength: 1, maxLength: 7 }).map((pieces) => pieces.join(""));
  const subject = fc.stringMatching(/^[ab\n -]{0,12}$/);
  fc.assert(fc.property(pattern, subject, (p, s) => {
    for (const compile of [posix, perl]) {
      const regex = compile(p);
      const found = regex.find(s);
      expect(regex.test(s)).toBe(found !== undefined);
      if (found !== undefined) expect(found[0]! <= found[1]! && found[1]! <= s.length).toBe(true);
    }
    expect(posix(p).test(s)).toBe(posix(p).find(s) !== undefined);
  }));
});

test("what we match in a regular pattern RegExp matches too", () => {
  const piece = fc.constantFrom("a", "b", ".", "[ab]", "(?:a|b)", "a*", "b+", "b?", "(?:ab)*", "a{1,2}", "|");
  const pattern = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(""));
  fc.assert(fc.property(pattern, fc.stringMatching(/^[abc]{0,10}$/), (p, s) => {
    const theirs = new RegExp(p, "is").exec(s);
    expect(texts(perl(p), s)?.[0]).toBe(theirs?.[0] as never);
  }));
});
