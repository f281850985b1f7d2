import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseDomainSpec, parseExplanation, parseMacroString, printMacroString } from "./macro_string.ts";
import { parseSpfRecord } from "./parse_record.ts";

test("a record is read into directives and modifiers", () => {
  const record = parseSpfRecord(
    "V=SPF1 +A:%{D2}.Example.com/24//64 ~Include:x.example ptr ?ip6:2001:DB8::/32 EXP=e.example x=%{c}",
  );
  if ("fault" in record) throw new Error(record.fault);
  expect(record.directives.map(({ qualifier, mechanism }) => `${qualifier}${mechanism.is}`)).toEqual([
    "+a",
    "~include",
    "+ptr",
    "?ip6",
  ]);
  expect(record.directives[0]!.mechanism).toMatchObject({ lengths: { ipv4: 24, ipv6: 64 } });
  expect(record.explanation).toEqual([{ is: "text", text: "e.example" }]);
  expect(record.redirect).toBeUndefined();
});

test.each([
  ["v=spf1 a:example.com/24/16", '"a:example.com/24/16": "example.com/24" does not end in a domain'],
  ["v=spf1 ip4:192.0.2.1/33", '"ip4:192.0.2.1/33": bad prefix length'],
  ["v=spf1 ip4:2001:db8::1", '"ip4:2001:db8::1": no IPv4 address or network'],
  ["v=spf1 ip6:192.0.2.1", '"ip6:192.0.2.1": no IPv6 address or network'],
  ["v=spf1 ip4:192.0.2.01", '"ip4:192.0.2.01": no IPv4 address or network'],
  ["v=spf1 a/", '"a/": bad text "/"'],
  ["v=spf1 +-all", 'bad term "+-all"'],
  ["v=spf1 exists:%{d0}.example", '"exists:%{d0}.example": bad character or macro at "%{d0}.example"'],
  ["v=spf1 exists:%{d", '"exists:%{d": bad character or macro at "%{d"'],
  ["v=spf1 a:%{c}.example", '"a:%{c}.example": macro %{c} is for explanations only'],
  ["v=spf1 redirect=a.example redirect=b.example", "more than one redirect="],
  ["v=spf1 \tall", 'bad term "?all"'],
  [`v=spf1 ${"x".repeat(200)}`, `"${"x".repeat(60)}...": unknown mechanism`],
])("parseSpfRecord() says what is wrong with %p", (text, fault) => {
  expect(parseSpfRecord(text)).toEqual({ fault });
});

const text = fc.stringMatching(/^[!-$&-~]{1,12}$/);
const macro = fc.tuple(
  fc.constantFrom(..."slodipvhcrtSLODIPVHCRT"),
  fc.option(fc.integer({ min: 1, max: 128 }), { nil: "" }),
  fc.constantFrom("", "r"),
  fc.stringMatching(/^[-.+,/_=]{0,3}$/),
).map(([letter, parts, reversed, delimiters]) => `%{${letter}${parts}${reversed}${delimiters}}`);
const macroString = fc.array(fc.oneof(text, macro, fc.constantFrom("%%", "%_", "%-")), { maxLength: 8 }).map((
  parts,
) => parts.join(""));

test("parseMacroString() reads what printMacroString() prints", () => {
  fc.assert(fc.property(macroString, (written) => {
    const parsed = parseMacroString(written);
    if ("fault" in parsed) throw new Error(parsed.fault);
    expect(parseMacroString(printMacroString(parsed))).toEqual(parsed);
  }));
});

test("a percent sign that begins no macro is a fault wherever it stands", () => {
  const odd = fc.constantFrom("%", "%x", "%{", "%{}", "%{q}", "%{d", "%{dx}", "%{d00}", "%(d)", "%{d r}");
  fc.assert(fc.property(macroString, odd, macroString, (before, bad, after) => {
    fc.pre(!/^[-_%{]/.test(after) || bad !== "%");
    // What comes behind must not complete it.
    fc.pre("fault" in parseMacroString(`${bad}${after}`));
    expect(parseMacroString(`${before}${bad}${after}`)).toHaveProperty("fault");
  }));
});

test("every text is a record or a fault, in time that grows with its length", () => {
  const terms = fc.array(
    fc.oneof(
      fc.string(),
      macroString,
      fc.constantFrom(
        "a",
        "mx",
        "ptr",
        "all",
        "-all",
        "include:",
        "ip4:",
        "ip6:",
        "exists:",
        "redirect=",
        "exp=",
        "//1",
        "/1",
      ),
    ),
  ).map((parts) => `v=spf1 ${parts.join(" ")}`);
  fc.assert(fc.property(fc.oneof(terms, fc.string({ unit: "binary" })), (written) => {
    const record = parseSpfRecord(written);
    expect("fault" in record ? record.fault !== "" : record.directives.length >= 0).toBe(true);
    for (const parse of [parseMacroString, parseDomainSpec, parseExplanation]) parse(written);
  }));
  for (const piece of ["a", "/", "/1", "//1", "%{d}", "1", ".", "-", "%{", "a:b.c/1", "x=", " "]) {
    parseSpfRecord(`v=spf1 a:${piece.repeat(60_000 / piece.length)}!`);
  }
});
