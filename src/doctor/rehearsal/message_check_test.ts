import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkMessage } from "./message_check.ts";
import { type MessageExpectation, messageFacts } from "./message_facts.ts";

const NOW = Date.UTC(2026, 10, 30, 19);
const GOOD = [
  "From: Ann <ann@example.com>",
  "To: bob@example.net",
  "Subject: hello",
  "Date: Mon, 30 Nov 2026 18:30:00 +0000",
  "Message-ID: <1@example.com>",
];

function told(text: string | Buffer, more: Partial<MessageExpectation> = {}): string[] {
  const expected = { domain: "example.com", sizeLimit: 0, now: NOW, bulk: false, signed: undefined, ...more };
  return checkMessage(messageFacts(Buffer.from(text as string)), expected)
    .map(({ severity, check, found }) => `${severity} ${check}: ${found}`);
}

const message = (head: readonly string[], body = "hello\n") => `${head.join("\n")}\n\n${body}`;
const without = (name: string) => GOOD.filter((line) => !line.startsWith(name));
const instead = (line: string) => [...without(line.slice(0, line.indexOf(":") + 1)), line];

describe("a message", () => {
  test("that is right, with either kind of line ends, and from a mailbox", () => {
    const right = ["ok message: 5 fields, 143 bytes: From, Date, Message-ID, lines and size are right"];
    expect(told(message(GOOD))).toEqual(right);
    expect(told(message(GOOD).replaceAll("\n", "\r\n"))).toEqual(right);
    expect(told(`From ann@example.com Mon Nov 30 18:30:00 2026\n${message(GOOD)}`)).toEqual(right);
  });

  test.each<readonly [string, readonly string[], string]>([
    ["no From", without("From"), "problem message: no From: field"],
    ["no address in it", instead("From: Ann"), "problem message: From: has no address"],
    [
      "two domains",
      instead("From: a@example.com, b@example.org"),
      "problem message: From: has several domains (example.com, example.org)",
    ],
    [
      "another domain",
      instead("From: a@example.org"),
      "warning message: From: is of example.org, the sender of example.com",
    ],
    ["two of a field", [...GOOD, "Subject: again"], "problem message: more than once: subject"],
    ["no Date", without("Date"), "warning message: no Date: field"],
    ["nonsense", instead("Date: yesterday"), "problem message: Date: is none: yesterday"],
    [
      "the future",
      instead("Date: Mon, 30 Nov 2027 18:30:00 +0000"),
      "warning message: Date: is in the future",
    ],
    ["the past", instead("Date: 1 Nov 2026 18:30:00 GMT (old)"), "warning message: Date: is long ago"],
    ["no Message-ID", without("Message-ID"), "warning message: no Message-ID: field"],
    ["none", instead("Message-ID: 12345"), "problem message: Message-ID: is none: 12345"],
    [
      "a stray line",
      [...GOOD, "this is no field"],
      "problem message: a line of the head is no field: this is no field",
    ],
    ["bytes beyond ASCII", instead("Subject: Grüße"), "warning message: the head has bytes beyond ASCII"],
    [
      "a long line",
      instead(`Subject: ${"x".repeat(1200)}`),
      "warning message: a line of 1209 bytes, where 998 are allowed",
    ],
  ])("with %s", (_, head, expected) => {
    const [first, ...more] = told(message(head));
    expect(more).toEqual([]);
    expect(first).toStartWith(expected);
  });

  test("that is too large here, or for many", () => {
    const large = message(GOOD, "x".repeat(70).concat("\n").repeat(300_000));
    expect(told(large)[0]).toMatch(/^warning message: 22 MB: many receivers take no more than 20 to 25 MB/);
    expect(told(large, { sizeLimit: 10_240_000 })[0]).toBe(
      "problem message: 22 MB, where message_size_limit is 10 MB",
    );
  });

  test("whose body nobody can read", () => {
    expect(told(message(GOOD, "Grüße\n"))[0]).toStartWith(
      "warning message: bytes beyond ASCII, and no MIME-Version",
    );
    expect(told(message([...GOOD, "MIME-Version: 1.0"], "Grüße\n"))[0]).toStartWith("ok message");
  });
});

describe("bulk mail", () => {
  const LIST = ["List-Unsubscribe: <mailto:u@example.com>,", "\t<https://example.com/u/1>"];
  const POST = "List-Unsubscribe-Post: List-Unsubscribe=One-Click";
  const both = ["list-unsubscribe", "list-unsubscribe-post"];

  test("that one click ends is right", () => {
    expect(told(message([...GOOD, ...LIST, POST]), { bulk: true, signed: both }).at(-1))
      .toBe("ok unsubscribe: one click takes people off the list (RFC 8058)");
  });

  test.each<readonly [string, readonly string[], readonly string[] | undefined, string]>([
    ["no field", [], both, "no List-Unsubscribe: field"],
    [
      "a mail address alone",
      ["List-Unsubscribe: <mailto:u@example.com>", POST],
      both,
      "List-Unsubscribe: has a mail address alone",
    ],
    [
      "nonsense",
      ["List-Unsubscribe: http://example.com", POST],
      both,
      "List-Unsubscribe: has no <https://...>",
    ],
    ["no Post", LIST, both, "List-Unsubscribe-Post: is missing"],
    [
      "another value",
      [...LIST, "List-Unsubscribe-Post: yes"],
      both,
      "List-Unsubscribe-Post: is not List-Unsubscribe=One-Click",
    ],
    ["no signature over it", [...LIST, POST], ["list-unsubscribe"], "list-unsubscribe-post not signed"],
  ])("with %s is a problem where it goes to many", (_, fields, signed, expected) => {
    const text = message([...GOOD, ...fields]);
    expect(told(text, { bulk: true, signed }).at(-1)).toStartWith(`problem unsubscribe: ${expected}`);
  });

  test("is known by its fields, and then warned of", () => {
    expect(told(message([...GOOD, "List-Id: <x.example.com>"])).at(-1)).toBe(
      "warning unsubscribe: no List-Unsubscribe: field",
    );
    expect(told(message([...GOOD, "Precedence: bulk"])).at(-1)).toStartWith("warning unsubscribe");
    expect(told(message(GOOD))).toHaveLength(1);
  });
});

test("messageFacts() takes any bytes apart, and counts what a CR adds", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    const facts = messageFacts(Buffer.from(bytes));
    expect(facts.size).toBeLessThanOrEqual(2 * bytes.length);
    expect(facts.fields.every((field) => field.endsWith("\r\n"))).toBe(true);
  }));
  expect(messageFacts(Buffer.from("A: b\n\nc\n")).size).toBe(11);
});
