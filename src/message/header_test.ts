import { expect, test } from "bun:test";
import fc from "fast-check";
import { printField, scanHeader } from "./header.ts";

test("printField() folds what has line ends, and leaves out what would end the headers", () => {
  const rows = [
    ["A: b", "A: b\r\n"],
    ["A: b\r\nX-Inj: c\n d", "A: b\r\n\tX-Inj: c\r\n d\r\n"],
    ["A: b\r\n\r\nbody\0", "A: b\r\n\tbody\r\n"],
    ["A: b\n \n\t\n", "A: b\r\n"],
  ] as const;
  for (const [text, printed] of rows) expect(printField(text)).toBe(printed);
});

test("printField() is one field whatever the text", () => {
  const piece = fc.oneof(fc.string({ maxLength: 10 }), fc.constantFrom("\r", "\n", "\0", " ", "X: y", "é"));
  fc.assert(fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
    const printed = printField(`X-A: ${pieces.join("")}`);
    const { fields, end } = scanHeader(`${printed}Next: field\r\n\r\n`, 0, true, false);
    expect(fields.map(({ name }) => name)).toEqual(["x-a", "next"]);
    expect(end).toBe(printed.length + 13);
    expect(printed.replaceAll("\r\n", "")).not.toMatch(/[\r\n\0]/);
  }));
});
