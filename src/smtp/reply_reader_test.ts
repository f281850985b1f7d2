import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  accept,
  defer,
  type PermanentCode,
  type PositiveCode,
  printReply,
  refuse,
  type Reply,
  type TransientCode,
} from "./reply.ts";
import { parseFeatures } from "./server_features.ts";
import { ReplyReader, type ServerReply } from "./reply_reader.ts";

function read(text: string, cuts: readonly number[] = []): ServerReply[] {
  const reader = new ReplyReader();
  const bytes = Buffer.from(text, "latin1");
  const replies: ServerReply[] = [];
  let at = 0;
  for (const cut of [...cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    reader.push(bytes.subarray(at, cut));
    for (let reply = reader.take(); reply !== undefined; reply = reader.take()) replies.push(reply);
    at = cut;
  }
  return replies;
}

test("replies are read with code, status and text", () => {
  const rows: readonly (readonly [string, number, string, string])[] = [
    ["250 2.1.0 Ok\r\n", 250, "2.1.0", "250 2.1.0 Ok"],
    ["250\r\n", 250, "2.0.0", "250"],
    ["250 \n", 250, "2.0.0", "250 "],
    ["550 5.1.1 no\r\n", 550, "5.1.1", "550 5.1.1 no"],
    ["550 4.1.1 no\r\n", 550, "5.0.0", "550 4.1.1 no"],
    ["550 5.1 no\r\n", 550, "5.0.0", "550 5.1 no"],
    ["550 5.1.1x no\r\n", 550, "5.0.0", "550 5.1.1x no"],
    ["550   5.1.1 no\r\n", 550, "5.1.1", "550   5.1.1 no"],
    ["354 go\r\n", 354, "5.5.0", "354 go"],
    ["250-a\r\n250-b\r\n250 c\r\n", 250, "2.0.0", "250-a 250-b 250 c"],
    ["250-5.1.1 a\r\n550 5.2.2 b\r\n", 550, "5.2.2", "250-5.1.1 a 550 5.2.2 b"],
  ];
  for (const [text, code, status, joined] of rows) {
    expect(read(text)).toMatchObject([{ code, status, text: joined, garbage: false }]);
  }
});

test("lines that are no reply are kept in the text and reported", () => {
  expect(read("hello\r\n2500 x\r\n250x\r\n250 ok\r\n")).toMatchObject([
    { code: 250, text: "hello 2500 x 250x 250 ok", garbage: true },
  ]);
});

test("UTF-8 is kept, the rest that cannot be printed becomes a question mark", () => {
  expect(read("550 gr\xc3\xbcn \xff\x00\t\x1b[0m\r\n")[0]!.text).toBe("550 grün ????[0m");
});

test("where the chunks are cut makes no difference", () => {
  const line = fc.constantFrom(
    "250 ok",
    "250-more",
    "550 5.1.1 no",
    "junk",
    "",
    "354",
    "25",
    "250\t",
    "421 x\ry",
  );
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 12 }),
      fc.constantFrom("\r\n", "\n"),
      fc.array(fc.nat(200), { maxLength: 12 }),
      (lines, end, cuts) => {
        const text = lines.map((one) => one + end).join("");
        expect(read(text, cuts)).toEqual(read(text));
      },
    ),
    { numRuns: 2000 },
  );
});

test("any bytes are survived, in bounded memory", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
    const reader = new ReplyReader();
    for (const chunk of chunks) reader.push(chunk);
    for (let reply = reader.take(); reply !== undefined; reply = reader.take()) {
      expect(reply.text.length).toBeLessThan(10_000);
      parseFeatures(reply!, new Set());
    }
  }));
});

test("what is not kept of a reply is told, as Postfix tells it, and where it begins to be cut is the same", () => {
  const y = (length: number) => "y".repeat(length);
  const [thirty, single, multi] = [
    y(20),
    "response longer than 2048:",
    "multi-line response longer than 2048",
  ];
  const rows: readonly (readonly [string, readonly string[], number])[] = [
    [`550 5.1.1 ${y(2037)}\r\n`, [], 2047],
    [`550 5.1.1 ${y(2038)}\r\n`, [`${single} 550 5.1.1 ${thirty}...`], 2048],
    [`550-5.1.1 ${y(1013)}\r\n550-5.1.1 ${y(1013)}\r\n550 5.1.1 end\r\n`, [], 2061],
    [
      `550-5.1.1 ${y(1013)}\r\n550-5.1.1 ${y(1014)}\r\n550 5.1.1 end\r\n`,
      [`${multi} 550-5.1.1 ${thirty}...`],
      2048,
    ],
    [`550-5.1.1 ${y(3000)}\r\n550 5.1.1 x\r\n`, [
      `${single} 550-5.1.1 ${thirty}...`,
      `${multi} 550-5.1.1 ${thirty}...`,
    ], 2048],
    [`250-a\r\n${`250-b${y(100)}\r\n`.repeat(30)}250 c\r\n`, [`${multi} 250-a\n250-b${y(19)}...`], 2125],
  ];
  for (const [text, warnings, length] of rows) {
    for (const cut of [1, 2048, 2049, 2050, text.length]) {
      const heard: string[] = [];
      const reader = new ReplyReader({ limit: 2048, warn: (warning) => heard.push(warning) });
      for (let at = 0; at < text.length; at += cut) {
        reader.push(Buffer.from(text.slice(at, at + cut), "latin1"));
      }
      expect(heard).toEqual([...warnings]);
      expect(reader.take()?.text).toHaveLength(length);
    }
  }
});

test("an overlong line is cut, an endless reply is given up", () => {
  expect(read(`250 ${"x".repeat(5000)}\r\n`)[0]!.text.length).toBe(2048);
  const reader = new ReplyReader();
  let accepted = 0;
  while (reader.push(Buffer.from("250-again and again\r\n".repeat(1000)))) accepted++;
  expect(accepted).toBeLessThan(60);
});

test("EHLO keywords are read in any case, unless they are not to be believed", () => {
  const [reply] = read(
    "250-mx.example hello\r\n250-pipelining\r\n250-SIZE 1000\r\n250-AUTH=LOGIN PLAIN\r\n250-XFORWARD NAME ADDR\r\n250 DSN\r\n",
  );
  expect(parseFeatures(reply!, new Set(["DSN"]))).toMatchObject({
    name: "mx.example",
    pipelining: true,
    sizeLimit: 1000,
    auth: ["LOGIN", "PLAIN"],
    xforward: ["NAME", "ADDR"],
    dsn: false,
    eightBitMime: false,
  });
});

test("SMTPUTF8 stands for 8BITMIME, a bad SIZE for none", () => {
  const [reply] = read("250-mx\r\n250-SMTPUTF8\r\n250 SIZE lots\r\n");
  expect(parseFeatures(reply!, new Set())).toMatchObject({
    eightBitMime: true,
    sizeLimit: 0,
    badSize: "LOTS",
  });
});

const line = fc.stringMatching(/^[A-Z<@][ -~]{0,60}$/);
const lines = fc.array(line, { minLength: 1, maxLength: 6 });
const status = <Class extends 2 | 4 | 5>(kind: Class) =>
  fc.option(
    fc.tuple(fc.nat(999), fc.nat(999)).map(([subject, detail]) => `${kind}.${subject}.${detail}` as const),
    { nil: undefined },
  );
const reply: fc.Arbitrary<Reply> = fc.oneof(
  lines.map((text) => accept(354, undefined, ...text)), // RFC 2034 has no status for it
  fc.tuple(fc.constantFrom<PositiveCode[]>(220, 221, 250, 252), status(2), lines)
    .map(([code, given, text]) => accept(code, given, ...text)),
  fc.tuple(fc.constantFrom<TransientCode[]>(421, 450, 451, 452, 454), status(4), lines)
    .map(([code, given, text]) => defer(code, given, ...text)),
  fc.tuple(fc.constantFrom<PermanentCode[]>(501, 502, 550, 552, 554), status(5), lines)
    .map(([code, given, text]) => refuse(code, given, ...text)),
);

test("a reader takes printed replies for what they were, wherever the stream is cut", () => {
  fc.assert(
    fc.property(
      fc.array(reply, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 50 }),
      (sent, cut) => {
        const reader = new ReplyReader();
        const stream = Buffer.from(sent.map(printReply).join(""));
        for (let at = 0; at < stream.length; at += cut) {
          expect(reader.push(stream.subarray(at, at + cut)))
            .toBe(true);
        }
        for (const each of sent) {
          expect(reader.take()).toMatchObject({
            code: each.code,
            ...(each.status !== undefined && { status: each.status }),
            lines: printReply(each).split("\r\n").slice(0, -1),
            garbage: false,
          });
        }
        expect(reader.take()).toBeUndefined();
      },
    ),
  );
});
