import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { expand, references } from "./expand.ts";
import { processorTimeOf } from "../../../test/kit/waiting.ts";

const VALUES: Readonly<Record<string, string>> = {
  a: "A",
  b: "$a$a",
  empty: "",
  literal: "$$a",
  level: "3.6",
  self: "$self",
  left: "$right",
  right: "$left",
  compared: "${{$compared} == {x}}",
  twice0: "$twice1$twice1",
  ...Object.fromEntries(
    Array.from({ length: 40 }, (_, at) => [`twice${at + 1}`, `$twice${at + 2}$twice${at + 2}`]),
  ),
  ...Object.fromEntries(Array.from({ length: 90 }, (_, at) => [`deep${at}`, `$deep${at + 1}`])),
  deep90: "bottom",
  idn: "b\u00fccher.example",
};
const lookup = (name: string) => Object.hasOwn(VALUES, name) ? VALUES[name] : undefined;
const text = (value: string) => {
  const expansion = expand(value, lookup);
  return expansion.is === "text" ? expansion.text : `error: ${expansion.why}`;
};

describe("expand()", () => {
  test.each([
    ["plain", "plain"],
    ["$a ${a} $(a)", "A A A"],
    ["$b", "AA"],
    ["x${nosuch}y$nosuch", "xy"],
    ["$$a $literal", "$a $a"],
    ["$ab", ""],
    ["${a?yes}${empty?yes}${nosuch?yes}", "yes"],
    ["${a:no}${empty:no}${nosuch:no}", "nono"],
    ["${a?{y}:{n}}${empty?{y}:n}", "yn"],
    ["${a??a:{b}c}", "?a:{b}c"],
    ["${ a ? { y } : { n } }", " y "],
    ["${a?$b}", "AA"],
    ["${{$a} == {A} ? {same} : {other}}", "same"],
    ["${{$a}=={B}?same}", ""],
    ["${{$a}!={B}:other}", ""],
    ["${{a} == {a}}|${{a} == {b}}", "true|"],
    ["${{10} > {9}}", "true"],
    ["${{3.10} > {3.9}}", ""],
    ["${{3.10} >level {3.9}}", "true"],
    ["${{$level} <level {3.6} ? {old} : {new}}", "new"],
    ["${{$level} <=level {3.6.0} ? {old} : {new}}", "old"],
    ["${{9223372036854775807} == {9223372036854775807}}", "true"],
    ["$deep0", "bottom"],
    ["${domain_to_ascii{$idn}}", "xn--bcher-kva.example"],
    ["${domain_to_ascii{example.com}}", "example.com"],
  ])("%j is %j", (value, expected) => {
    expect(text(value)).toBe(expected);
  });

  test.each([
    ["${", 'truncated macro reference: "${"'],
    ["$(x}", 'truncated macro reference: "$(x}"'],
    ["x$", 'empty macro name: "x$"'],
    ["${}", 'empty macro name: "${}"'],
    ["$-", 'empty macro name: "$-"'],
    ["${my-host}", 'attribute name syntax error at: "...my>>>-host"'],
    [
      "${{a} = {b} ? {c}}",
      '"==" or "!="" or "<"" or "<="" or ">="" or ">" expected at: "...a}>>>= {b} ? {c}"',
    ],
    ["${{a} == b}", '"{expression}" expected at: "...{a} ==>>> b"'],
    ["${{a} ==foo {b}}", 'bad operator suffix at: "...==>>>foo"'],
    ["${{a}=={b}c}", '"?" or ":" expected at: "...}>>>c"'],
    ["${a?{a}b}", '":" expected at: "...a}>>>b"'],
    ["${a?{a}:{b}c}", 'unexpected input at: "...b}>>>c"'],
    ["$(a?{b)", 'unbalanced {} in attribute expression: "{b"'],
    ["${{3.x} <level {1}}", 'malformed compatibility level syntax: "3.x"'],
    ["$self", 'unreasonable macro call nesting: "self"'],
    ["$left", 'unreasonable macro call nesting: "right"'],
    ["$compared", 'unreasonable macro call nesting: "{$compared} == {x}"'],
  ])("%j is an error: %s", (value, why) => {
    expect(text(value)).toContain(`error: ${why}`);
  });

  test("the branch not taken is not looked at", () => {
    expect(text("${a?{fine}:{${}}}")).toBe("fine");
    expect(references("${a?{fine}:{${}}}").why).toBe('empty macro name: "${}"');
  });

  test("an expansion that doubles at each step ends", () => {
    const took = processorTimeOf(() => expect(text("$twice0")).toStartWith("error: unreasonable macro"));
    expect(took).toBeLessThan(2000);
  });

  test("an expansion that grows without bound ends", () => {
    const grow = expand(
      "$g1",
      (name) => name === "g9" ? "x".repeat(1000) : `$g${Number(name.slice(1)) + 1}`.repeat(20),
    );
    expect(grow.is).toBe("error");
  });

  test("never throws and never loops, whatever the values", () => {
    const unit = fc.constantFrom(
      "$",
      "{",
      "}",
      "(",
      ")",
      "?",
      ":",
      "=",
      "<",
      ">",
      "!",
      " ",
      "a",
      "b",
      "c",
      "1",
      "level",
    );
    const value = fc.string({ unit, maxLength: 24 });
    fc.assert(
      fc.property(value, value, value, (a, b, c) => {
        const expansion = expand(a, (name) => ({ a, b, c } as Record<string, string>)[name]);
        expect(["text", "error"]).toContain(expansion.is);
        references(a);
      }),
      { numRuns: 2000 },
    );
  });
});

test("references() finds the names of all branches and comparisons", () => {
  expect(references("$a ${b?{$c}:{${d:$e}}} ${{$f} == {$g} ? {$h}} $$i").names.toSorted()).toEqual([
    ..."abcdefgh",
  ]);
});
