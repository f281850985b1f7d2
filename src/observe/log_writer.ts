import type { LogEntry } from "./log_line.ts";
import { jsonLine, levelPrefix, logText, textLine, timeStamp } from "./log_line.ts";
import type { Level } from "./event.ts";
import { writeFully } from "../platform/process/this_process.ts";
import { blockFor } from "../platform/timer.ts";
import { FACILITIES, openSyslog, type SyslogSocket } from "../platform/syslog.ts";

/** Where log entries go. Writers gather lines and write many at once. */
export interface LogWriter {
  write(entry: LogEntry): void;
  /** Writes what is gathered, now: before an exit, and after a fatal entry. */
  flush(): void;
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
/** A write of a pipe up to this many bytes is not torn apart by another process's (pipe(7)). */
const PIPE_ATOMIC = 4096;

const isGrave = (level: Level): boolean => level === "fatal" || level === "panic";

/** Pieces of whole lines, each within the pipe's atomic size where lines are short enough. */
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

/** Writes lines to an open descriptor: standard output, or a log file opened for appending. */
export function descriptorWriter(fd: number, style: LineStyle): LogWriter {
  let gathered = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const line = style.format === "json" ? jsonLine : textLine;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (gathered === "") return;
    const bytes = Buffer.from(gathered);
    gathered = "";
    try {
      for (const piece of wholeLines(bytes, PIPE_ATOMIC * 8)) writeFully(fd, piece);
    } catch { /* the reader is gone or the disk is full: mail goes on without its log */ }
  };
  return {
    flush,
    write(entry) {
      gathered += line(entry, style.host, style.pid, style.utf8);
      if (gathered.length >= ENOUGH || isGrave(entry.level)) flush();
      else timer ??= setTimeout(flush, GATHER);
    },
  };
}

const SEVERITY: Readonly<Record<Level, number>> = { info: 6, warning: 4, error: 3, fatal: 2, panic: 2 };
/** Lines kept while the log daemon is busy; beyond it the oldest are dropped and counted. */
const BACKLOG = 10_000;
const RETRY = 20;
/** A process that ends waits for a busy log daemon this many times. */
const LAST_TRIES = 50;

/** Sends lines to the system's log daemon (syslog(3)): the datagram format of /dev/log, without a host. */
export function syslogWriter(
  facility: string,
  style: Pick<LineStyle, "pid" | "utf8" | "format" | "host">,
  open: () => SyslogSocket = openSyslog,
): LogWriter {
  const socket = open();
  const base = (FACILITIES[facility] ?? FACILITIES.mail!) << 3;
  const waiting: Buffer[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dropped = 0;
  const drain = () => {
    timer = undefined;
    let at = 0;
    while (at < waiting.length && socket.send(waiting[at]!) === "sent") at++;
    waiting.splice(0, at);
    if (waiting.length > 0) timer = setTimeout(drain, RETRY);
  };
  const datagram = (entry: LogEntry): Buffer => {
    const head = `<${base | SEVERITY[entry.level]}>${timeStamp(entry.time)} ` +
      `${entry.syslogName}/${entry.program}[${style.pid}]: `;
    if (style.format === "json") {
      return Buffer.from(head + jsonLine(entry, style.host, style.pid, style.utf8).trimEnd());
    }
    return Buffer.from(`${head}${levelPrefix(entry.level)}${logText(entry.text, style.utf8)}`);
  };
  const write = (entry: LogEntry) => {
    const line = datagram(entry);
    if (waiting.length === 0 && socket.send(line) === "sent") return;
    if (waiting.length >= BACKLOG) {
      waiting.shift();
      dropped++;
    }
    waiting.push(line);
    timer ??= setTimeout(drain, RETRY);
  };
  const flush = () => {
    clearTimeout(timer);
    drain();
    for (let tries = 0; waiting.length > 0 && tries < LAST_TRIES; tries++) {
      blockFor(RETRY);
      clearTimeout(timer);
      drain();
    }
  };
  return { flush, write };
}

/** Collects entries: for tests, and for lines that come before the log is open. */
export function memoryWriter(): LogWriter & { readonly entries: readonly LogEntry[] } {
  const entries: LogEntry[] = [];
  return { entries, write: (entry) => void entries.push(entry), flush: () => {} };
}
