import { expect, test } from "bun:test";
import fc from "fast-check";
import { MIME_MESSAGES, randomMimeMessage } from "../../test/kit/scenes/mime_messages.ts";
import { type MimeEvent, MimeWalker, type WalkOptions } from "./mime_walker.ts";

const LIMITS = { line: 2048, header: 102_400, boundary: 2048, nesting: 100 };

function walk(text: string, cuts: readonly number[] = [], options: Partial<WalkOptions> = {}): MimeEvent[] {
  const walker = new MimeWalker({ lineEnd: "\r\n", structure: true, limits: LIMITS, ...options });
  walker.beginContent();
  const bytes = Buffer.from(text, "latin1");
  const edges = [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const events: MimeEvent[] = [];
  let at = 0;
  for (const edge of edges) {
    events.push(...walker.push(bytes.subarray(at, edge)));
    at = edge;
  }
  return [...events, ...walker.end()];
}

/** The same events whatever the chunks were: stretches of one body are one. */
function joined(events: readonly MimeEvent[]): unknown[] {
  const out: { is: string; text?: string }[] = [];
  for (const event of events) {
    const last = out.at(-1);
    if (event.is !== "body") out.push(event);
    else if (last?.is === "body" && !event.begins) last.text += event.bytes.toString("latin1");
    else {out.push(
        { ...event, text: event.bytes.toString("latin1"), bytes: undefined } as { is: string; text: string },
      );}
  }
  return out;
}

const seen = (text: string, options: Partial<WalkOptions> = {}) =>
  walk(text, [], options).flatMap((event) =>
    event.is === "field" ? [`${event.place} ${event.text.trim()}`] : []
  );

const OPTIONS: readonly Partial<WalkOptions>[] = [
  {},
  { wholeLines: true },
  { wholeLines: true, limits: { line: 7, header: 20, boundary: 1, nesting: 1 } },
  { limits: { line: 7, header: 20, boundary: 1, nesting: 1 } },
  { structure: false },
];

test("where the chunks are cut makes no difference", () => {
  for (const options of OPTIONS) {
    fc.assert(
      fc.property(randomMimeMessage, fc.array(fc.nat(3000), { maxLength: 12 }), (text, cuts) => {
        expect(joined(walk(text, cuts, options))).toEqual(joined(walk(text, [], options)));
      }),
      { numRuns: 500 },
    );
  }
  for (const text of Object.values(MIME_MESSAGES).filter(({ length }) => length < 20_000)) {
    const bytes = Array.from({ length: text.length }, (_, i) => i);
    for (const options of OPTIONS) {
      expect(joined(walk(text, bytes, options))).toEqual(joined(walk(text, [], options)));
    }
  }
});

test("with whole lines, stretches end where lines or pieces of line_length_limit end", () => {
  fc.assert(
    fc.property(randomMimeMessage, fc.array(fc.nat(9000), { maxLength: 12 }), (text, cuts) => {
      let line = "";
      for (const event of walk(text, cuts, { wholeLines: true })) {
        if (event.is !== "body") continue;
        line += event.bytes.toString("latin1");
        line = line.slice(line.lastIndexOf("\n") + 1);
        expect(line.length % LIMITS.line).toBe(0);
      }
    }),
    { numRuns: 500 },
  );
});

test("fields and stretches together are the message, where nothing in it had to be put right", () => {
  const text = MIME_MESSAGES["an attached message that is multipart"]!;
  const all = walk(text).map((event) =>
    event.is === "field" ? event.text : event.is === "body" ? event.bytes.toString("latin1") : ""
  );
  expect(all.join("")).toBe(text);
});

test("stretches of a body are parts of what was pushed, not copies", () => {
  const chunk = Buffer.from(`S: x\r\n\r\n${"line\r\n".repeat(10_000)}`);
  const walker = new MimeWalker({ lineEnd: "\r\n", structure: true, limits: LIMITS });
  const [body] = walker.push(chunk).filter((event) => event.is === "body" && event.bytes.length > 100);
  expect(body?.is === "body" && body.bytes.buffer === chunk.buffer).toBe(true);
});

test("a part is found behind comments, blanks, folding and quotes", () => {
  for (
    const type of [
      "(c) multipart/mixed; boundary=a",
      "multipart/mixed; (d) boundary=a",
      "multipart / mixed; boundary=a",
      'multipart\r\n /mixed;\r\n\tboundary\r\n =\r\n "\\a"',
      "multipart/mixed; boundary=x; boundary=a",
    ]
  ) {
    expect(seen(`Content-Type: ${type}\r\n\r\n--a\r\nX: 1\r\n\r\n`)).toContain("part X: 1");
  }
});

test("what is kept of a field and of multiparts is bounded", () => {
  const [field] = walk(`S: ${"x".repeat(50)}\r\n${" folded\r\n".repeat(100_000)}`, [], {
    limits: { ...LIMITS, header: 1000 },
  });
  expect(field?.is === "field" && field.text.length).toBeLessThan(1200);
  const deep = Array.from(
    { length: 1000 },
    (_, i) => `--${i}.\r\nContent-Type: multipart/x; boundary=${i + 1}.\r\n\r\n`,
  );
  const events = walk(`Content-Type: multipart/x; boundary=0.\r\n\r\n${deep.join("")}`);
  expect(events.filter(({ is }) => is === "tooDeep").length).toBeGreaterThan(0);
  expect(events.filter((event) => event.is === "field" && event.place === "part").length).toBe(102);
});

test("a message/global is opened, but not where declared 8-bit text is encoded", () => {
  const text = "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nS: 1\r\n\r\nx\r\n";
  expect(seen(text)).toContain("nested S: 1");
  expect(seen(text, { encodes: true })).not.toContain("nested S: 1");
});

test("fields put on top are whole whatever is behind them, and what is sent goes on none of them", () => {
  const rows = [[" folded\r\n\r\nx", "headerEnd"], ["A: b\r\n\r\nx", "field"], [
    "\r\nx",
    "headerEnd",
  ]] as const;
  for (const [sent, first] of rows) {
    const walker = new MimeWalker({ lineEnd: "\r\n", structure: true, limits: LIMITS });
    const top = walker.beginContent("Received: by a\r\n\tb\r\nX: y\r\n");
    expect(top).toMatchObject([
      { is: "field", name: "received", text: "Received: by a\r\n\tb\r\n" },
      { is: "field", name: "x", text: "X: y\r\n" },
    ]);
    expect(walker.push(Buffer.from(sent))[0]).toMatchObject({ is: first });
  }
});

test("the blank line behind a header is one stretch with the body that comes with it", () => {
  for (const first of ["From: a", ">From b", "Subject: c", "X-\0: d"]) {
    const bodies = walk(`${first}\r\nTo: e\r\n\r\nf\r\n`).flatMap((event) =>
      event.is === "body" ? [event.bytes.toString("latin1")] : []
    );
    expect(bodies.join("").endsWith("\r\nf\r\n")).toBe(true);
    if (first[0] !== "X") expect(bodies).toEqual(["\r\nf\r\n"]);
  }
});
