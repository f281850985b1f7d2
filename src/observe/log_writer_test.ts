import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createLog } from "./create_log.ts";
import { descriptorWriter, memoryWriter, syslogWriter, wholeLines } from "./log_writer.ts";
import { openUnhurried } from "../platform/log_descriptor.ts";
import { until } from "../../test/kit/waiting.ts";

const style = { format: "text", host: "mail", pid: 9, utf8: true } as const;

test("lines are gathered and written together, in order, and a fatal one at once", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "mta-log-")), "log");
  const fd = openSync(path, "a");
  const log = createLog({ syslogName: "postfix", writer: descriptorWriter(fd, style) });
  for (let i = 0; i < 100; i++) log.note("smtpd", "info", `line ${i}`);
  expect(readFileSync(path, "utf8")).toBe("");
  await until("the lines are written", () => readFileSync(path, "utf8") !== "");
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  expect(lines.map((line) => line.split(": ")[1])).toEqual(
    Array.from({ length: 100 }, (_, i) => `line ${i}`),
  );
  log.note("master", "fatal", "end");
  expect(readFileSync(path, "utf8")).toContain("postfix/master[9]: fatal: end\n");
  closeSync(fd);
  rmSync(dirname(path), { recursive: true });
});

test("a reader that is gone does not stop the mail", () => {
  const fd = openSync("/dev/full", "w");
  const writer = descriptorWriter(fd, style);
  createLog({ syslogName: "postfix", writer }).note("smtpd", "info", "x");
  expect(() => writer.flush()).not.toThrow();
  closeSync(fd);
});

test.each([
  ["opened anew", openUnhurried],
  ["as it was given, where it cannot be opened anew", (fd: number) => fd],
])(
  "while nobody reads a pipe, %s, nothing waits; what is kept comes in order, and a line says how much is missing",
  async (_, opened) => {
    const folder = mkdtempSync(join(tmpdir(), "mta-log-"));
    const path = join(folder, "pipe");
    expect(spawnSync("mkfifo", [path]).status).toBe(0);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const inherited = openSync(path, constants.O_WRONLY); // as a shell gives it: writing waits
    let lost = 0;
    const writer = descriptorWriter(opened(inherited), style, { lost: (lines) => lost += lines });
    const log = createLog({ syslogName: "postfix", writer });
    const many = 80_000;
    for (let i = 0; i < many; i++) log.note("smtpd", "info", `line ${i} ${"x".repeat(80)}`);
    await until("lines are lost", () => lost > 0);
    let text = "";
    const chunk = Buffer.alloc(64 * 1024);
    const read = () => {
      try {
        for (let n = readSync(reader, chunk); n > 0; n = readSync(reader, chunk)) {
          text += chunk.toString("latin1", 0, n);
        }
      } catch { /* it is empty for now */ }
    };
    await until("all that was kept", () => (read(), / missing here/.test(text)));
    log.note("smtpd", "info", "after");
    await until("the next line", () => (read(), text.includes("after\n")));
    const lines = text.trimEnd().split("\n");
    const gap = lines.findIndex((line) => line.includes("missing here"));
    const kept = lines.slice(0, gap).map((line) => Number(/ line (\d+) /.exec(line)![1]));
    expect(kept).toEqual(kept.map((_, at) => at));
    expect(lines[gap]).toEndWith(
      `postfix/master[9]: warning: ${
        many - kept.length
      } lines are missing here: nobody read the log, or it could not be written`,
    );
    expect(lost).toBe(many - kept.length);
    expect(lines[gap + 1]).toEndWith("postfix/smtpd[9]: after");
    for (const fd of [reader, inherited]) closeSync(fd);
    rmSync(folder, { recursive: true });
  },
  60_000,
);

test("what a full disk did not take is counted", async () => {
  const fd = openSync("/dev/full", "w");
  let lost = 0;
  const writer = descriptorWriter(fd, style, { lost: (lines) => lost += lines });
  const log = createLog({ syslogName: "postfix", writer });
  for (let i = 0; i < 10; i++) log.note("smtpd", "info", "x");
  expect(writer.flush()).toBeGreaterThanOrEqual(10);
  expect(lost).toBeGreaterThanOrEqual(10);
  closeSync(fd);
});

test("text is cut at line ends within the limit, and a longer line stays whole", () => {
  const pieces = wholeLines(Buffer.from(`aaaa\nbbbb\n${"c".repeat(30)}\nd\n`), 10).map(String);
  expect(pieces).toEqual(["aaaa\nbbbb\n", `${"c".repeat(30)}\n`, "d\n"]);
});

test("a busy log daemon gets its lines later, in order", async () => {
  const got: string[] = [];
  let busy = true;
  const writer = syslogWriter("mail", style, {
    open: () => ({
      send: (line) => busy ? "busy" : (got.push(Buffer.from(line).toString()), "sent"),
      close: () => {},
    }),
  });
  const log = createLog({ syslogName: "postfix", writer });
  log.note("smtpd", "warning", "one");
  busy = false;
  log.note("smtpd", "info", "two");
  await until("both lines are sent", () => got.length === 2);
  expect(got.map((line) => line.replace(/>.{15} /, ">"))).toEqual([
    "<20>postfix/smtpd[9]: warning: one",
    "<22>postfix/smtpd[9]: two",
  ]);
});

test("a process that ends waits for a log daemon that is busy, and for none that is not there", () => {
  const tries = (answer: "busy" | "gone") => {
    let count = 0;
    const writer = syslogWriter("mail", style, {
      open: () => ({ send: () => (count++, answer), close: () => {} }),
    });
    createLog({ syslogName: "postfix", writer }).note("smtpd", "info", "x");
    expect(writer.flush()).toBe(1);
    return count;
  };
  expect(tries("gone")).toBe(2);
  expect(tries("busy")).toBeGreaterThan(10);
});

test("an event is a line, a name and fields", () => {
  const writer = memoryWriter();
  const seen: string[] = [];
  const log = createLog({
    syslogName: "postfix",
    writer,
    observe: (name) => void seen.push(name),
    now: () => 5,
  });
  log.emit("qmgr", "removed", { id: "4F1" });
  expect(writer.entries).toEqual([{
    time: 5,
    level: "info",
    syslogName: "postfix",
    program: "qmgr",
    text: "4F1: removed",
    event: "removed",
    fields: { id: "4F1" },
  }]);
  expect(seen).toEqual(["removed"]);
});
