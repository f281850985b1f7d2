import { expect, test } from "bun:test";
import fc from "fast-check";
import { printField } from "./header.ts";
import { MimeWalker } from "./mime_walker.ts";

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
    const limits = { line: 2048, header: 102_400, boundary: 2048, nesting: 100 };
    const walker = new MimeWalker({ lineEnd: "\r\n", structure: false, limits });
    const events = walker.push(Buffer.from(`${printed}Next: field\r\n\r\n`));
    expect(events.map((event) => event.is === "field" ? event.name : event.is)).toEqual([
      "x-a",
      "next",
      "headerEnd",
      "body",
    ]);
    expect(printed.replaceAll("\r\n", "")).not.toMatch(/[\r\n\0]/);
  }));
});
