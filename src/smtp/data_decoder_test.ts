import { expect, test } from "bun:test";
import fc from "fast-check";
import { DataDecoder, type DataOptions } from "./data_decoder.ts";
import { DotStuffer } from "./dot_stuffing.ts";

/** The rules byte by byte, as plainly as they can be put: reference for the decoder that works on chunks. */
function reference(bytes: string, { lenient, keepBareCr }: DataOptions) {
  let content = "";
  let line = "";
  let afterCrlf = true;
  let bareLf = false;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== "\n") {
      line += bytes[at];
      continue;
    }
    const crlf = line.endsWith("\r");
    let text = lenient ? line.replace(/\r{0,8}$/, "") : crlf ? line.slice(0, -1) : line;
    line = "";
    if (text === "." && (lenient || (crlf && afterCrlf))) {
      return { content, rest: bytes.slice(at + 1), bareLf };
    }
    bareLf ||= !crlf;
    afterCrlf = crlf;
    if (text === ".") continue;
    if (text.startsWith(".")) text = text.slice(1);
    if (!keepBareCr) text = text.replaceAll("\r", " ");
    content += `${text}\r\n`;
  }
  return { content: undefined, rest: undefined, bareLf };
}

function decodeInPieces(bytes: string, cuts: readonly number[], options: DataOptions) {
  const decoder = new DataDecoder(options);
  const buffer = Buffer.from(bytes, "latin1");
  const edges = [0, ...[...cuts].sort((a, b) => a - b), buffer.length];
  let content = "";
  for (let i = 1; i < edges.length; i++) {
    const decoded = decoder.push(buffer.subarray(edges[i - 1], edges[i]));
    content += decoded.content.toString("latin1");
    if (decoded.rest !== undefined) {
      return {
        content,
        rest: decoded.rest.toString("latin1") + buffer.subarray(edges[i]).toString("latin1"),
        bareLf: decoder.bareLf,
      };
    }
  }
  return { content: undefined, rest: undefined, bareLf: decoder.bareLf };
}

const stream = fc.array(
  fc.constantFrom("\r", "\n", ".", "\r\n", "\r\n.", "\r\n.\r\n", "a", "é", "\0", " "),
  { maxLength: 40 },
).map((parts) => parts.join(""));

test("DataDecoder gives the same message however the stream is cut", () => {
  fc.assert(
    fc.property(
      stream,
      fc.array(fc.nat(60), { maxLength: 8 }),
      fc.record({ lenient: fc.boolean(), keepBareCr: fc.boolean() }),
      (bytes, cuts, options) => {
        const whole = `${bytes}\r\n.\r\nQUIT\r\n`;
        const got = decodeInPieces(whole, cuts.map((cut) => Math.min(cut, whole.length)), options);
        expect(got).toEqual(reference(whole, options));
      },
    ),
    { numRuns: 20_000 },
  );
}, 30_000);

test("DataDecoder passes a well-formed chunk without a copy", () => {
  const chunk = Buffer.from("Subject: x\r\n\r\nbody\r\n");
  expect(new DataDecoder().push(chunk).content).toBe(chunk);
});

test("DataDecoder carries no more than a few bytes however long the line is", () => {
  const decoder = new DataDecoder();
  const piece = Buffer.alloc(65_536, "x");
  for (let i = 0; i < 10; i++) expect(decoder.push(piece).content.length).toBe(piece.length);
  expect(decoder.push(Buffer.from("\r\n.\r\n")).rest).toEqual(Buffer.alloc(0));
});

test("what DotStuffer sends, DataDecoder reads back", () => {
  const lines = fc.array(fc.constantFrom("", ".", "..", "a", ".a", "a.", "\0"), { maxLength: 20 });
  fc.assert(fc.property(lines, fc.nat(50), (parts, cut) => {
    const content = Buffer.from(parts.map((part) => `${part}\r\n`).join(""), "latin1");
    const stuffer = new DotStuffer(998);
    const wire = Buffer.concat([
      ...stuffer.push(content.subarray(0, cut)),
      ...stuffer.push(content.subarray(cut)),
      ...stuffer.end(),
      Buffer.from(".\r\n"),
    ]);
    const decoded = new DataDecoder().push(wire);
    expect(decoded.content).toEqual(content);
    expect(decoded.rest).toEqual(Buffer.alloc(0));
  }));
});

test("counted data (BDAT) keeps its dots, and lines are made right however it is cut", () => {
  fc.assert(fc.property(stream, fc.array(fc.nat(60), { maxLength: 6 }), (bytes, cuts) => {
    const decoder = new DataDecoder({ counted: true });
    const buffer = Buffer.from(bytes, "latin1");
    const edges = [
      0,
      ...cuts.map((cut) => Math.min(cut, buffer.length)).sort((a, b) => a - b),
      buffer.length,
    ];
    let content = "";
    for (let i = 1; i < edges.length; i++) {
      content += decoder.push(buffer.subarray(edges[i - 1], edges[i])).content.toString("latin1");
    }
    content += decoder.finish().toString("latin1");
    const lines = bytes.replaceAll("\r\n", "\n").replaceAll("\r", " ");
    const ended = lines === "" || lines.endsWith("\n") ? lines : `${lines}\n`;
    expect(content).toBe(ended.replaceAll("\n", "\r\n"));
  }));
});

test("DataDecoder finds what is to be changed wherever it is in a large chunk", () => {
  const line = `${"x".repeat(70)}\r\n`;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(99_999), fc.constantFrom("\n", "\r", "\r\n.", "\n.", "\r\n.\r\n.x")), {
        maxLength: 2,
      }),
      fc.integer({ min: 0, max: 60_000 }),
      fc.nat(99_999),
      (odd, long, cut) => {
        let bytes = `${line.repeat(700)}${"y".repeat(long)}\r\n${line.repeat(700)}`;
        for (const [at, text] of odd) bytes = bytes.slice(0, at) + text + bytes.slice(at);
        const whole = `${bytes}.\r\n`;
        expect(decodeInPieces(whole, [cut], {}).content === reference(whole, {}).content).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
}, 30_000);
