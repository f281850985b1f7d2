import { printable, printableAscii } from "../base/printable.ts";
import type { FieldValue, Level, Program } from "./event.ts";

/** What becomes one line of the log. */
export interface LogEntry {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly level: Level;
  /** `postfix`, `postfix/submission`: the service's syslog_name. */
  readonly syslogName: string;
  readonly program: Program;
  /** Whose line it is when it is none of ours (postlog(1)): the whole tag, and the process. */
  readonly of?: { readonly tag: string; readonly pid: number };
  readonly text: string;
  /** Name and fields of the event; absent for free-form notes. */
  readonly event?: string;
  readonly fields?: { readonly [name: string]: FieldValue };
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Longest text in bytes, as Postfix's msg_vprintf cuts it. */
const TEXT_LIMIT = 2000;

/** Text fit for one log line: controls (and beyond ASCII, when not `utf8`) become `?`, and it ends near 2000 bytes. */
export function logText(text: string, utf8: boolean): string {
  const clean = utf8 ? printable(text) : printableAscii(text);
  return clean.length * 3 > TEXT_LIMIT ? cut(clean) : clean;
}

function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= TEXT_LIMIT) return text;
  let end = TEXT_LIMIT;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/** `warning: ` and so on; nothing for info (postlog(1)). */
export function levelPrefix(level: Level): string {
  return level === "info" ? "" : `${level}: `;
}

let stampSecond = Number.NaN;
let stamp = "";

/** `Mmm dd hh:mm:ss` in local time, the day blank-padded; made once a second. */
export function timeStamp(time: number): string {
  const second = Math.floor(time / 1000);
  if (second === stampSecond) return stamp;
  const at = new Date(time);
  const two = (n: number) => String(n).padStart(2, "0");
  stampSecond = second;
  stamp = `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2)} ` +
    `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return stamp;
}

/** `postfix/smtpd[4711]`. */
export function lineTag({ of, syslogName, program }: LogEntry, pid: number, utf8: boolean): string {
  return of === undefined ? `${syslogName}/${program}[${pid}]` : `${logText(of.tag, utf8)}[${of.pid}]`;
}

/** The line of a log file, as syslogd and postlogd(8) write it. */
export function textLine(entry: LogEntry, host: string, pid: number, utf8: boolean): string {
  return `${timeStamp(entry.time)} ${host} ${lineTag(entry, pid, utf8)}: ` +
    `${levelPrefix(entry.level)}${logText(entry.text, utf8)}\n`;
}

/** The same as one JSON object: who, when, the event's name and fields, and the text line's words. */
export function jsonLine(entry: LogEntry, host: string, pid: number, utf8: boolean): string {
  const { time, level, syslogName, program, of, event, fields } = entry;
  const whose = of === undefined
    ? { syslog_name: syslogName, program, pid }
    : { program: logText(of.tag, utf8), pid: of.pid };
  const head = { time: new Date(time).toISOString(), level, host, ...whose };
  const text = logText(entry.text, utf8);
  return `${JSON.stringify(event === undefined ? { ...head, text } : { ...fields, ...head, event, text })}\n`;
}
