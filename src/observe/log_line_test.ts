import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostileText } from "../../test/kit/memory/hostile_text.ts";
import { jsonLine, type LogEntry, logText, textLine } from "./log_line.ts";

const entry = (text: string, more: Partial<LogEntry> = {}): LogEntry => ({
  time: new Date(2026, 10, 5, 1, 2, 3).getTime(),
  level: "info",
  syslogName: "postfix",
  program: "smtpd",
  text,
  ...more,
});

test("a text line has stamp, host, tag and pid as Postfix's, the day blank-padded", () => {
  expect(textLine(entry("connect from a[192.0.2.1]"), "mail", 473, true))
    .toBe("Nov  5 01:02:03 mail postfix/smtpd[473]: connect from a[192.0.2.1]\n");
});

test("levels beyond info get their prefix, a service its own syslog_name", () => {
  expect(textLine(entry("x", { level: "warning", syslogName: "postfix/submission" }), "mail", 1, true))
    .toBe("Nov  5 01:02:03 mail postfix/submission/smtpd[1]: warning: x\n");
});

test("controls become question marks: no peer writes a line of its own into the log", () => {
  expect(logText("a\r\nb\x00\x7f\x85c", true)).toBe("a??b???c");
  expect(textLine(entry("x\ny"), "mail", 1, true).split("\n")).toHaveLength(2);
});

test("text beyond ASCII stays with utf8 and is masked without", () => {
  expect(logText("grüße", true)).toBe("grüße");
  expect(logText("grüße", false)).toBe("gr????e");
});

test("a long line is cut near 2000 bytes, never inside a character", () => {
  expect(logText("x".repeat(5000), true)).toHaveLength(2000);
  const cut = logText(`x${"ü".repeat(3000)}`, true);
  expect(Buffer.from(cut).length).toBeLessThanOrEqual(2000);
  expect(cut.endsWith("ü")).toBe(true);
});

test("a JSON line carries the fields, and they cannot replace who and when", () => {
  const line = jsonLine(
    entry("t", { event: "connect", fields: { client: "a\nb", pid: 0 } }),
    "mail",
    7,
    true,
  );
  expect(line.endsWith("}\n")).toBe(true);
  expect(JSON.parse(line)).toMatchObject({
    client: "a\nb",
    event: "connect",
    pid: 7,
    program: "smtpd",
    level: "info",
  });
});

test("an entry is one line, as text and as JSON, whatever is in it", () => {
  fc.assert(fc.property(hostileText, fc.boolean(), (text, utf8) => {
    const hostile = entry(text, { event: "connect", fields: { client: text } });
    expect(textLine(hostile, "mail", 1, utf8)).toMatch(/^[^\x00-\x1f\x7f-\x9f]+\n$/);
    const json = jsonLine(hostile, "mail", 1, utf8);
    expect(json).toMatch(/^[^\x00-\x1f]+\n$/);
    expect(JSON.parse(json).client).toBe(text);
  }));
});
