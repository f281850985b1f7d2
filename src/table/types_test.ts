import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testContext } from "./_test_context.ts";
import { openTable } from "./table_types.ts";
import { processorTimeOf } from "../../test/kit/waiting.ts";

const folder = mkdtempSync(join(tmpdir(), "table-types-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const value = (spec: string, key: string) => {
  const answer = openTable(spec, testContext()).lookup(key);
  if (answer instanceof Promise) throw new Error("in-process tables answer at once");
  return answer.is === "found" ? answer.value : answer.is;
};

test.each([
  ["static:DUNNO", "anything", "DUNNO"],
  ["static:{ two words }", "x", "two words"],
  ["static:{a}b", "x", "trouble"],
  ["inline:{a=1, {b = two words}, A=3}", "a", "3"],
  ["inline:{a=1, {b = two words}}", "B", "two words"],
  ["inline:{a=1, {b = two words}}", "c", "absent"],
  ["inline:{a=1, b}", "a", "trouble"],
  ["inline:{}", "a", "trouble"],
  ["unionmap:{inline:{a=1},inline:{b=2},static:3}", "a", "1,3"],
  ["unionmap:{inline:{a=1},inline:{b=2}}", "c", "absent"],
  ["unionmap:{inline:{a=1},fail:x}", "a", "trouble"],
  ["pipemap:{inline:{a=b},inline:{b=c}}", "a", "c"],
  ["pipemap:{inline:{a=b},inline:{x=c}}", "a", "absent"],
  ["pipemap:{inline:{a=b},fail:x}", "z", "absent"],
  ["pipemap:{inline:{a=b},fail:x}", "a", "trouble"],
  ["pipemap:{inline:{a=b}, { regexp:{{/(.)/ got-${1}}} }}", "a", "got-b"],
  ["randmap:{7}", "x", "7"],
  ["randmap:x", "x", "trouble"],
  ["fail:x", "x", "trouble"],
  ["proxy:inline:{a=1}", "a", "1"],
  ["proxy:static", "a", "trouble"],
  ["unix:passwd.byname", "root", "root:x:0:0:root:/root:/bin/bash"],
  ["unix:group.byname", "root", "root:x:0:"],
  ["unix:passwd.byname", "no-such-user", "absent"],
  ["unix:shadow", "root", "trouble"],
  ["nosuch:x", "x", "trouble"],
  ["static", "x", "trouble"],
  ["static:", "x", "trouble"],
  ["texthash:/no/such/file", "x", "trouble"],
  ["cidr:{{10.0.0.0/8 ten}, {!192.168.0.0/16 other}}", "10.9.9.9", "ten"],
  ["cidr:{{10.0.0.0/8 ten}, {!192.168.0.0/16 other}}", "192.168.1.1", "absent"],
  ["cidr:{{10.0.0.0/8 ten}, {!192.168.0.0/16 other}}", "8.8.8.8", "other"],
  ["cidr:{{10.0.0.0/8 ten}, {!192.168.0.0/16 other}}", "::1", "absent"],
  ["cidr:{{if ::/0}, {2001:db8::/32 doc}, {endif}, {0.0.0.0/0 four}}", "2001:db8::5", "doc"],
  ["cidr:{{if ::/0}, {2001:db8::/32 doc}, {endif}, {0.0.0.0/0 four}}", "1.1.1.1", "four"],
  ["cidr:{{if !10.0.0.0/8}, {0.0.0.0/0 outside}, {endif}}", "10.1.1.1", "absent"],
  ["cidr:{{10.0.0.0/8 ten}}", "not an address", "absent"],
  ["regexp:{{/^(.*)@(.*)$/ ${2}:$1}}", "ann@Example.com", "Example.com:ann"],
  ["regexp:{{/FOO/ any}}", "xfoox", "any"],
  ["regexp:{{/FOO/i case}}", "xfoox", "absent"],
  ["regexp:{{!/foo/ no}, {/o/ $$1}}", "foo", "$1"],
  ["regexp:{{if /^a/}, {/z/ az}, {endif}, {/z/ z}}", "az", "az"],
  ["regexp:{{if /^a/}, {/z/ az}, {endif}, {/z/ z}}", "bz", "z"],
  ["regexp:{{if !/^a/}, {/./ other}, {endif}}", "bz", "other"],
  ["pcre:{{/^(?!bad)(\\w+)$/ ok $1}}", "good", "ok good"],
  ["pcre:{{/^(?!bad)(\\w+)$/ ok $1}}", "badly", "absent"],
  ["pcre:{{/a.b/ dot}}", "a\nb", "dot"],
  ["pcre:{{/a.b/s nodot}}", "a\nb", "absent"],
  ["pcre:{{/(a)(b)?/ [$1][$2]}}", "a", "[a][]"],
])("%s says of %p: %p", (spec, key, wanted) => {
  expect(value(spec, key)).toBe(wanted);
});

describe("texthash", () => {
  test("answers with the line, and follows a change of its file", () => {
    writeFileSync(at("t"), "a 1\n# c\nB  two words \n");
    const context = testContext();
    const table = openTable(`texthash:${at("t")}`, context);
    expect(table.lookup("b")).toEqual({ is: "found", value: "two words", line: 3 });
    writeFileSync(at("t"), "a changed!\n");
    context.now += 1000;
    expect(table.lookup("a")).toEqual({ is: "found", value: "changed!", line: 1 });
  });

  test("a key that stands twice disables the table", () => {
    writeFileSync(at("twice"), "a 1\nb 2\nA 3\n");
    expect(openTable(`texthash:${at("twice")}`, testContext()).lookup("b")).toMatchObject({
      is: "trouble",
      retry: true,
      why: `texthash:${at("twice")} is unavailable. ${at("twice")}, line 3: duplicate entry: "A"`,
    });
  });
});

test("a broken rule is skipped with Postfix's warning, and the others work", () => {
  writeFileSync(at("rules"), "/(a/ x\n/b/ y\n/c/ $2\nif /d/\n/d/ z\n");
  const context = testContext();
  const table = openTable(`regexp:${at("rules")}`, context);
  expect(table.lookup("b")).toEqual({ is: "found", value: "y", line: 2 });
  expect(table.lookup("d")).toEqual({ is: "found", value: "z", line: 5 });
  expect(context.warnings).toEqual([
    `regexp map ${at("rules")}, line 1: Unmatched ( or \\(`,
    `regexp map ${at("rules")}, line 3: out of range replacement index "2": skipping this rule`,
    `regexp map ${at("rules")}, line 4: IF has no matching ENDIF`,
  ]);
});

test("no pattern runs away; a rule that takes too much on a text does not apply to it, and is named once", () => {
  const took = processorTimeOf(() => {
    expect(value("regexp:{{/^(a+)+$/ x}, {/(a*)*b.*a.*a.*c/ y}}", `${"a".repeat(50_000)}!`)).toBe("absent");
    const rules = [
      "/^(a+)+$/ first",
      "if !/^(a+)+$/",
      "/./ inside",
      "endif",
      "!/^(a+)+$/ negated",
      "/a/ last",
    ];
    const context = testContext();
    const name = `{${rules.map((rule) => `{${rule}}`).join(",")}}`;
    const table = openTable(`pcre:${name}`, context);
    const hungry = `${"a".repeat(40)}!`;
    expect([table.lookup(hungry), table.lookup(hungry)]).toMatchObject([{ value: "last" }, {
      value: "last",
    }]);
    expect(context.warnings).toEqual(
      [1, 2, 5].map((line) => `pcre map ${name}, line ${line}: match limit exceeded`),
    );
  });
  expect(took).toBeLessThan(3000);
});
