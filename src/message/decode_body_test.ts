import { expect, test } from "bun:test";
import fc from "fast-check";
import { readEncoding } from "./content_type.ts";
import { decodeBody } from "./decode_body.ts";
import { QuotedPrintable } from "./quoted_printable.ts";

const decoded = (text: string, encoding: string) =>
  decodeBody(Buffer.from(text), readEncoding(encoding)!).toString("latin1");

test("decodeBody() undoes base64, quoted-printable, and nothing", () => {
  expect(decoded("aGVs\r\nbG8=\r\n", "base64")).toBe("hello");
  expect(decoded("soft=\r\n break=3D  \r\nend=20\r\n", "quoted-printable")).toBe("soft break=\r\nend \r\n");
  expect(decoded("=3D", "7bit")).toBe("=3D");
});

test("decodeBody() gives back what was encoded", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const line = Buffer.from(bytes.filter((byte) => byte !== 10 && byte !== 13));
    const printer = new QuotedPrintable();
    const text = printer.push(line) + printer.endOfLine();
    expect(decoded(text, "quoted-printable")).toBe(`${line.toString("latin1")}\r\n`);
    expect(decoded(line.toString("base64"), "base64")).toBe(line.toString("latin1"));
  }));
});
