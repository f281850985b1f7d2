import { expect, test } from "bun:test";
import { testContext } from "../_test_context.ts";
import { openTable } from "../table_types.ts";

// Observed with postmap(1) of Postfix 3.7.11.
test.each([
  ['inline:{{"a b"=c}}', '"a b"', "c"],
  ['inline:{{"a=c"@x = d}}', '"a=c"@x', "d"],
  ["inline:{{a\\=c=d}}", "a\\=c", "d"],
  ["inline:{{a\\ c=d}}", "a\\ c", "d"],
  ["inline:{a==b}", "a", "=b"],
  ["inline:{{ a = b c }}", "a", "b c"],
])("%s has the key %s", (spec, key, value) => {
  expect(openTable(spec, testContext()).lookup(key)).toMatchObject({ is: "found", value });
});

test.each([
  ["inline:{{ },{a=b}}", "no key found; expected format: key = value"],
  ['inline:{{"a=b},{c=d}}', "unbalanced '\"'"],
  ['inline:{{"a"b"=d}}', "unbalanced '\"'"],
  ["inline:{{a\\},{a=b}}", "missing '=' after attribute name"],
  ["inline:{{a b=c}}", "missing '=' after attribute name"],
])("%s is no table: %s", (spec, why) => {
  expect(openTable(spec, { ...testContext(), asPostmap: true }).lookup("a")).toMatchObject({
    is: "trouble",
    part: { of: "opening", reason: `${why}: "${spec}"; need "inline:{name=value...}"` },
  });
});
