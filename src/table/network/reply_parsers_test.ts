// What servers of tables may send, whole, in pieces and wrong: every parser answers, asks for more, or throws what it should.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readLine, UnexpectedReply, valueReader } from "./memcache_reply.ts";
import { netstring, readNetstring } from "./netstring.ts";
import { LookupFault } from "../remote/remote_table.ts";
import { excerpt } from "../remote/remote_text.ts";
import { socketmapAnswer } from "./socketmap.ts";
import { decodePercent, encodePercent, readReply } from "./tcp.ts";

const LIMITS = { line: 1024, data: 10_240 };
const question = { spec: "tcp:x:1", name: "x:1", key: "k" };
const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));
/** Bytes that look like the beginning of something. */
const likely = fc.array(
  fc.oneof(
    fc.constantFrom(
      "VALUE k 0 3\r\n",
      "END\r\n",
      "abc\r\n",
      "3:abc,",
      "5:OK x,",
      ":",
      ",",
      "200 ",
      "500 x\n",
      "%4",
      "\r\n",
      "\n",
      " ",
      "0",
      "9",
    ),
    bytes.map((each) => each.toString("latin1")),
  ),
  { maxLength: 6 },
).map((parts) => Buffer.from(parts.join(""), "latin1"));

/** Undefined: more is wanted; "bad": refused. A reply is never longer than what came in. */
function outcome<Reply>(
  read: (received: Buffer) => { readonly reply: Reply; readonly length: number } | undefined,
  received: Buffer,
) {
  try {
    const found = read(received);
    if (found !== undefined) expect(found.length).toBeLessThanOrEqual(received.length);
    return found;
  } catch (error) {
    expect(error instanceof LookupFault || error instanceof UnexpectedReply).toBe(true);
    return "bad";
  }
}

const PARSERS = {
  netstring: (received: Buffer) => {
    const found = readNetstring(received, 1000);
    return found && { reply: found.content.toString("latin1"), length: found.length };
  },
  tcp: (received: Buffer) => readReply(question, received, { encoding: "latin1" }),
  "memcache line": (received: Buffer) => readLine(received, LIMITS.line),
  "memcache value": (received: Buffer) => {
    const found = valueReader(LIMITS)(received, 0);
    return found && { ...found, reply: found.reply?.toString("latin1") };
  },
} as const;

describe.each(Object.entries(PARSERS))("%s", (_, read) => {
  test("comes to the same, byte by byte or whole", () => {
    fc.assert(
      fc.property(likely, (received) => {
        const whole = outcome<unknown>(read, received);
        for (let size = 1; size < received.length; size++) {
          const part = outcome<unknown>(read, received.subarray(0, size));
          if (part === undefined) continue;
          if (part !== "bad" && whole !== "bad" && whole !== undefined) expect(part).toEqual(whole);
          else expect(part).toEqual(whole as typeof part);
          return;
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("does not wait for ever for an end", () => {
    expect(outcome<unknown>(read, Buffer.alloc(20_000, "1"))).toBe("bad");
  });
});

describe("netstrings", () => {
  test("are read as they are written, with whatever follows left alone", () => {
    fc.assert(
      fc.property(bytes, bytes, (content, rest) => {
        const written = netstring(content);
        const found = readNetstring(Buffer.concat([written, rest]), 1000);
        expect(found?.content.equals(content)).toBe(true);
        expect(found?.length).toBe(written.length);
        for (let size = 0; size < written.length; size++) {
          expect(readNetstring(written.subarray(0, size), 1000)).toBeUndefined();
        }
      }),
    );
  });

  test("over the limit are refused before their content comes", () => {
    expect(() => readNetstring(Buffer.from("1001:"), 1000)).toThrow("input exceeds size limit");
    expect(() => readNetstring(Buffer.from(`${"0".repeat(30)}`), 1000)).toThrow("input exceeds size limit");
    expect(() => readNetstring(Buffer.from("3:abcd"), 1000)).toThrow("input format error");
    expect(() => readNetstring(Buffer.from("x"), 1000)).toThrow("input format error");
  });
});

describe("a socketmap answer", () => {
  test.each([
    ["OK value", { is: "found", value: "value" }],
    ["OK ", { is: "found", value: "" }],
    ["OK  two", { is: "found", value: " two" }],
    ["OK a\0b", { is: "found", value: "a" }],
    ["OK", { is: "absent" }],
    ["NOTFOUND ", { is: "absent" }],
    ["NOTFOUND", { is: "absent" }],
    ["NOTFOUND x", { is: "absent" }],
    ["TEMP busy", { is: "trouble", retry: true, why: "s socketmap server temporary error: busy" }],
    ["TIMEOUT", { is: "trouble", retry: true, why: "s socketmap server timeout error" }],
    ["PERM  no\x01", { is: "trouble", retry: false, why: "s socketmap server permanent error: no?" }],
    ["ok x", { is: "trouble", retry: true, why: "s socketmap server unknown error: x" }],
    ["constructor x", { is: "trouble", retry: true, why: "s socketmap server unknown error: x" }],
    ["", { is: "trouble", retry: true, why: "s socketmap server unknown error" }],
    ["OK \xff", {
      is: "trouble",
      retry: false,
      why: 's: key "k": non-UTF-8 value "?": malformed UTF-8 or invalid codepoint',
    }],
  ])("%j", (reply, want) => {
    expect(socketmapAnswer("s", "k", Buffer.from(reply, "latin1"), {})).toEqual(want as never);
  });
});

describe("a line of a tcp table", () => {
  test.each([
    ["200 a%20b\n", { is: "found", value: "a b" }],
    ["200 %C3%a9\n", { is: "found", value: "é" }],
    ["200\tx\n", { is: "found", value: "x" }],
    ["299 x\n", { is: "found", value: "x" }],
    ["200 \n", { is: "found", value: "" }],
    ["200 x\r\n", { is: "found", value: "x\r" }],
    ["500 no\n", { is: "absent" }],
    ["400 later\n", { is: "trouble", retry: true, why: "tcp:x:1: soft error: 400 later" }],
  ])("%j", (line, want) => {
    expect(readReply(question, Buffer.from(line), {})).toEqual({ reply: want as never, length: line.length });
  });

  test.each([
    ["200\n", "malformed reply: 200"],
    ["20\n", "malformed reply: 20"],
    ["500\n", "malformed reply: 500"],
    ["200 %4\n", "malformed reply: 200 %4"],
    ["200 %zz\n", "malformed reply: 200 %zz"],
    ["what\x01\n", "malformed reply: what_"],
    ["300 x\n", "bad status code: 300 x"],
    [`200 ${"x".repeat(4092)}\n`, "text longer than 4096"],
    ["x".repeat(4096), "text longer than 4096"],
  ])("%# is refused", (line, why) => {
    expect(() => readReply(question, Buffer.from(line), {})).toThrow(`read TCP map reply from x:1: ${why}`);
  });

  test("percent signs bring back every byte, and nothing that ends a line or a word is sent bare", () => {
    fc.assert(
      fc.property(bytes, (given) => {
        const written = encodePercent(given);
        expect(written).toMatch(/^[\x21-\x7e]*$/);
        expect(decodePercent(written)?.equals(given)).toBe(true);
      }),
    );
  });
});

describe("what memcached answers to get", () => {
  const value = (text: string) => {
    const found = valueReader(LIMITS)(Buffer.from(text, "latin1"), 0);
    return found && { ...found, reply: found.reply?.toString("latin1") };
  };

  test("one value, of any bytes, or none", () => {
    fc.assert(
      fc.property(bytes, (data) => {
        const reply = Buffer.concat([
          Buffer.from(`VALUE k 7 ${data.length}\r\n`),
          data,
          Buffer.from("\r\nEND\r\n"),
        ]);
        const found = valueReader(LIMITS)(reply, 0);
        expect(found).toMatchObject({ length: reply.length, isLast: false });
        expect(found?.reply?.equals(data)).toBe(true);
      }),
    );
    expect(value("END\r\n")).toEqual({ reply: undefined, length: 5 });
    expect(value("VALUE k 0 1 99\r\nx\r\nEND\r\n")?.reply).toBe("x");
  });

  test("after a second value the connection is used no more", () => {
    expect(value("VALUE k 0 1\r\nx\r\nVALUE k 0 1\r\ny\r\nEND\r\n")).toMatchObject({
      reply: "x",
      isLast: true,
    });
  });

  test.each([
    ["ERROR\r\n", "ERROR"],
    ["SERVER_ERROR out of memory\r\n", "SERVER_ERROR out of memory"],
    ["VALUE k 0 -1\r\n", "VALUE k 0 -1"],
    ["VALUE k 0 10241\r\n", "VALUE k 0 10241"],
    ["VALUE k 0\r\n", "VALUE k 0"],
    ["VALUE k 0 1\r\nxyz", "value without end"],
    ["x".repeat(1025), "line too long"],
  ])("%j is refused", (reply, why) => expect(() => value(reply)).toThrow(why));
});

test("text of a peer in a message is short and plain", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(excerpt(text, 30)).toMatch(/^[\x20-\x7e]{0,30}$/);
    }),
  );
});
