import { expect, test } from "bun:test";
import fc from "fast-check";
import { MboxSplitter } from "./split_mbox.ts";

function split(text: string, size = 1000, most = 10_000): (string | undefined)[] {
  const splitter = new MboxSplitter(most);
  const out: (Buffer | undefined)[] = [];
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) {
    for (const each of splitter.push(bytes.subarray(at, at + size))) out.push(each && Buffer.from(each));
  }
  return [...out, ...splitter.end()].map((each) => each?.toString());
}

test("MboxSplitter parts an mbox file at its From lines", () => {
  const mbox =
    "From a@b Mon\nSubject: 1\n\none\nFrom here on\n\nFrom c@d Tue\r\nSubject: 2\r\n\r\ntwo\r\n\r\nFrom e\nx\n";
  expect(split(mbox)).toEqual([
    "Subject: 1\n\none\nFrom here on\n\n",
    "Subject: 2\r\n\r\ntwo\r\n\r\n",
    "x\n",
  ]);
  expect(split("")).toEqual([]);
  expect(split("From a")).toEqual([]);
});

test("MboxSplitter finds the same however the bytes come, and keeps no more than it may", () => {
  const piece = fc.constantFrom("From ", "\n", "\r\n", "x", "\n\nFrom y\n", ">From ");
  fc.assert(fc.property(fc.array(piece), fc.integer({ min: 1, max: 7 }), (pieces, size) => {
    const text = pieces.join("");
    expect(split(text, size)).toEqual(split(text));
  }));
  const long = `From a\n${"x".repeat(5000)}\n\nFrom b\ny\n`;
  for (const size of [10, 100, 10_000]) expect(split(long, size, 1000)).toEqual([undefined, "y\n"]);
});
