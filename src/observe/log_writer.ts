import type { LogEntry } from "./log_line.ts";
import { jsonLine, levelPrefix, lineTag, logText, textLine, timeStamp } from "./log_line.ts";
import type { Level } from "./event.ts";
import { descriptorSink } from "../platform/log_descriptor.ts";
import { blockFor } from "../platform/timer.ts";
import { FACILITIES, openSyslog, type SyslogSocket } from "../platform/syslog.ts";
import { PatientWriter } from "./patient_writer.ts";

/** Where log entries go. Writers gather lines and write many at once. */
export interface LogWriter {
  write(entry: LogEntry): void;
  /** Writes what is gathered, and waits a moment for a busy reader: before an exit. Answers how many lines it did not take. */
  flush(): number;
}

/** How lines look, whatever they are written to. */
export interface LineStyle {
  readonly format: "text" | "json";
  /** The machine's name in each line. */
  readonly host: string;
  readonly pid: number;
  /** Keep text beyond ASCII (smtputf8_enable). */
  readonly utf8: boolean;
}

/** Lines wait this long at most for company, in milliseconds. */
const GATHER = 5;
/** Gathered text is written at once from this length on. */
const ENOUGH = 32 * 1024;

const isGrave = (level: Level): boolean => level === "fatal" || level === "panic";

/** Pieces of whole lines, each within the limit where lines are short enough. */
export function wholeLines(text: Buffer, limit: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let from = 0; from < text.length;) {
    let to = Math.min(from + limit, text.length);
    if (to < text.length) {
      const end = text.lastIndexOf(10, to - 1);
      if (end >= from) to = end + 1;
      else {
        const next = text.indexOf(10, to);
        to = next < 0 ? text.length : next + 1;
      }
    }
    pieces.push(text.subarray(from, to));
    from = to;
  }
  return pieces;
}

/** Where lines are written to, and who hears how many of them are lost. */
export interface WriterOptions {
  readonly lost?: (lines: number) => void;
}

/** The line that stands where others are missing. */
function gapEntry(lines: number, { syslogName = "postfix" }: Partial<LogEntry>): LogEntry {
  const what = lines === 1 ? "line is" : "lines are";
  const text = `${lines} ${what} missing here: nobody read the log, or it could not be written`;
  return { time: Date.now(), level: "warning", syslogName, program: "master", text };
}

function countLines(text: Buffer): number {
  let count = 0;
  for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) count++;
  return count;
}

/** Writes lines to an open descriptor: standard output, or a log file opened for appending. */
export function descriptorWriter(fd: number, style: LineStyle, { lost }: WriterOptions = {}): LogWriter {
  let gathered = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last: Partial<LogEntry> = {};
  const print = style.format === "json" ? jsonLine : textLine;
  const line = (entry: LogEntry) => print(entry, style.host, style.pid, style.utf8);
  const sink = descriptorSink(fd);
  const out = new PatientWriter({
    send: sink.write,
    gap: (lines) => Buffer.from(line(gapEntry(lines, last))),
    linesIn: countLines,
    lost,
    block: blockFor,
  });
  const handOver = () => {
    clearTimeout(timer);
    timer = undefined;
    if (gathered === "") return;
    const bytes = Buffer.from(gathered);
    gathered = "";
    for (const piece of wholeLines(bytes, sink.whole)) out.push(piece);
  };
  return {
    flush: () => (handOver(), out.flush()),
    write(entry) {
      last = entry;
      gathered += line(entry);
      if (gathered.length >= ENOUGH || isGrave(entry.level)) handOver();
      else timer ??= setTimeout(handOver, GATHER);
    },
  };
}

const SEVERITY: Readonly<Record<Level, number>> = { info: 6, warning: 4, error: 3, fatal: 2, panic: 2 };
/** Sends lines to the system's log daemon (syslog(3)): the datagram format of /dev/log, without a host. */
export function syslogWriter(
  facility: string,
  style: Pick<LineStyle, "pid" | "utf8" | "format" | "host">,
  { lost, open = openSyslog }: WriterOptions & { readonly open?: () => SyslogSocket } = {},
): LogWriter {
  const socket = open();
  let listens = true;
  const base = (FACILITIES[facility] ?? FACILITIES.mail!) << 3;
  let last: Partial<LogEntry> = {};
  const datagram = (entry: LogEntry): Buffer => {
    const head = `<${base | SEVERITY[entry.level]}>${timeStamp(entry.time)} ` +
      `${lineTag(entry, style.pid, style.utf8)}: `;
    if (style.format === "json") {
      return Buffer.from(head + jsonLine(entry, style.host, style.pid, style.utf8).trimEnd());
    }
    return Buffer.from(`${head}${levelPrefix(entry.level)}${logText(entry.text, style.utf8)}`);
  };
  const out = new PatientWriter({
    // While nobody listens lines are kept: the daemon may be about to start anew.
    send(line) {
      const sent = socket.send(line);
      listens = sent !== "gone";
      return sent === "sent" ? line.length : 0;
    },
    gap: (lines) => datagram(gapEntry(lines, last)),
    linesIn: () => 1,
    lost,
    block: blockFor,
  });
  return {
    flush: () => out.flush(() => listens),
    write(entry) {
      last = entry;
      out.push(datagram(entry));
    },
  };
}

/** Collects entries: for tests, and for lines that come before the log is open. */
export function memoryWriter(): LogWriter & { readonly entries: readonly LogEntry[] } {
  const entries: LogEntry[] = [];
  return { entries, write: (entry) => void entries.push(entry), flush: () => 0 };
}
