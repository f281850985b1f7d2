import { expect, test } from "bun:test";
import fc from "fast-check";
import { recordFields } from "./pgsql_record.ts";

const fieldsOf = (text: string) =>
  recordFields(Buffer.from(text)).map((field) => field === null ? null : Buffer.from(field).toString());

test.each([
  ["(a)", ["a"]],
  ["(a,b c)", ["a", "b c"]],
  ['("a b",c)', ["a b", "c"]],
  ['("it ""is""","back\\\\slash")', ['it "is"', "back\\slash"]],
  ['("a,b","(c)",d)', ["a,b", "(c)", "d"]],
  ["(,)", [null, null]],
  ["()", [null]],
  ['("")', [""]],
  ['("",,x)', ["", null, "x"]],
  ['(",")', [","]],
  ['("""")', ['"']],
  ['("é\n")', ["é\n"]],
])("%j", (text, want) => expect(fieldsOf(text)).toEqual(want));

test("what the server's rules write is read back", () => {
  const write = (field: string | null) =>
    field === null
      ? ""
      : field === "" || /["\\(),\s]/.test(field)
      ? `"${field.replace(/["\\]/g, "$&$&")}"`
      : field;
  const field = fc.option(
    fc.array(fc.constantFrom("a", '"', "\\", ",", "(", ")", " ", "é")).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(
      fc.array(field, { minLength: 1, maxLength: 6 }),
      (fields) => expect(fieldsOf(`(${fields.map(write).join(",")})`)).toEqual(fields),
    ),
  );
});
