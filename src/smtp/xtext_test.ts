import { expect, test } from "bun:test";
import fc from "fast-check";
import { splitWords } from "./words.ts";
import { decodeUtf8Xtext, decodeXtext, encodeLooseXtext, encodeUtf8Xtext, encodeXtext } from "./xtext.ts";

const text = fc.string({ unit: "binary", maxLength: 40 }).filter((each) => each.isWellFormed());

test("xtext is read back as the bytes of the text, and holds nothing that RFC 3461 §4 forbids", () => {
  fc.assert(fc.property(text, (value) => {
    const encoded = encodeXtext(value);
    expect(encoded).toMatch(/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/);
    expect(decodeXtext(encoded)?.toString()).toBe(value);
  }));
});

test("utf-8-addr-xtext is read back as the text, and is ASCII without blanks (RFC 6533 §3)", () => {
  fc.assert(fc.property(text, (value) => {
    const encoded = encodeUtf8Xtext(value);
    expect(encoded).toMatch(/^[!-~]*$/);
    expect(decodeUtf8Xtext(encoded)).toBe(value);
  }));
});

test("either stays one word of a command line, whatever the text", () => {
  fc.assert(fc.property(text, (value) => {
    for (const encoded of [encodeXtext(value), encodeUtf8Xtext(value)]) {
      expect(splitWords(`RCPT TO:<a@b.example> ORCPT=x;${encoded} NOTIFY=NEVER`)).toEqual(
        ["RCPT", "TO:", "<a@b.example>", `ORCPT=x;${encoded}`, "NOTIFY=NEVER"],
      );
    }
  }));
});

test.each(["+", "a+4", "+zz", "+4x1", "++41"])("decodeXtext() takes %s for no xtext", (bad) => {
  expect(decodeXtext(bad)).toBeUndefined();
});

test.each(["\\x{110000}", "\\x{}", "\\x{41", "\\x{xyz}", "\\x{123456789}"])(
  "decodeUtf8Xtext() takes %s for no text",
  (bad) => {
    expect(decodeUtf8Xtext(bad)).toBeUndefined();
  },
);

test("encodeLooseXtext() leaves what needs no holding together, and is read back", () => {
  expect(encodeLooseXtext('Test (odd) "CA"+é=<x>\\')).toBe('Test+20(odd)+20"CA"+2B+C3+A9=<x>\\');
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      (text) => expect(decodeXtext(encodeLooseXtext(text))?.toString()).toBe(Buffer.from(text).toString()),
    ),
  );
});
