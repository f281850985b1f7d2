import { expect, test } from "bun:test";
import { testContext } from "./_test_context.ts";
import { shownSpec } from "./shown_spec.ts";
import { openTable } from "./table_types.ts";

test.each([
  ["hash:/etc/mta/passwords", "hash:/etc/mta/passwords"],
  ["inline:{a=secret}", "inline:{...}"],
  ["inline:{{a = secret}, b=secret}", "inline:{...}"],
  ["unionmap:{inline:{a=secret},ldap:/etc/ldap.cf}", "unionmap:{inline:{...},ldap:/etc/ldap.cf}"],
  ["pipemap:{{inline:{{a=secret}}}, randmap:{secret}}", "pipemap:{{inline:{...}}, randmap:{...}}"],
  ["inline:{a=secret", "inline:{..."],
  ["inline:{a=secret} more=secret", "inline:{...} more=secret"],
])("%s is shown as %s", (spec, shown) => expect(shownSpec(spec)).toBe(shown));

const BROKEN = [
  "inline:{{a secret}}",
  "inline:{{b=c},{a=secret}",
  "inline:{b=c,{secret",
  'inline:{{"secret=b},{c=d}}',
  "inline:{{a=secret}x}",
  "unionmap:{inline:{{a secret}}}",
  "unionmap:{inline:{a=secret},fail:x}",
  "unionmap:{inline:{a=secret},x}",
  "proxy:inline:{{a secret}}",
  "randmap:{secret",
  "inlin:{a=secret}",
];

test.each(BROKEN)("trouble with %s is told without what stands in it", (spec) => {
  const warnings: string[] = [];
  const table = openTable(spec, { ...testContext(), warn: (text) => void warnings.push(text) });
  const answer = table.lookup("c");
  expect(answer).toMatchObject({ is: "trouble" });
  expect(JSON.stringify([answer, warnings])).not.toContain("secret");
});

test("which entry is wrong is told", () => {
  const answer = openTable("inline:{{a=b}, {c d}, {e=f}}", testContext()).lookup("c");
  expect(answer).toMatchObject({
    why:
      "inline:{...} is unavailable. entry 2: missing '=' after attribute name; need \"inline:{name=value...}\"",
  });
});
