import { expect, test } from "bun:test";
import fc from "fast-check";
import { attachmentsOf } from "./attachments.ts";

const found = (lines: readonly string[], lineEnd = "\r\n", most = 10) =>
  attachmentsOf(Buffer.from(lines.join(lineEnd), "latin1"), most).map(({ name, bytes }) => [
    name,
    bytes.toString("latin1"),
  ]);

const MESSAGE = [
  "Subject: x",
  'Content-Type: multipart/mixed; boundary="b"',
  "",
  "preamble",
  "--b",
  "Content-Type: text/plain",
  "",
  "hello",
  "--b",
  "Content-Type: message/rfc822",
  "",
  "Subject: inner",
  "Content-Type: multipart/mixed; boundary=c",
  "",
  "--c",
  'Content-Type: application/gzip; name="a.gz"',
  "Content-Disposition: attachment; filename=other",
  "Content-Transfer-Encoding: base64",
  "",
  "aGVs",
  "bG8=",
  "",
  "--c--",
  "--b",
  "",
  "\x00\xff",
  "--b--",
  "epilogue",
  "",
];

test("attachmentsOf() finds the bodies of a message, whatever they are in", () => {
  for (const lineEnd of ["\r\n", "\n"]) {
    expect(found(MESSAGE, lineEnd)).toEqual([["", "hello"], ["a.gz", "hello"], ["", "\x00\xff"]]);
  }
  expect(found(MESSAGE, "\n", 2).length).toBe(2);
  expect(found(["Content-Transfer-Encoding: base64", "", "aGVsbG8="])).toEqual([["", "hello"]]);
  expect(found(["Subject: x", "", "one", "--b", ""])).toEqual([["", "one\r\n--b\r\n"]]);
  expect(found(["Subject: x", "", ""])).toEqual([]);
});

test("no message throws", () => {
  const line = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...MESSAGE));
  fc.assert(fc.property(fc.array(line), (lines) => void found(lines)));
});
