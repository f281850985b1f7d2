import { splitList } from "../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import {
  descriptorWriter,
  type LineStyle,
  type LogWriter,
  syslogWriter,
  type WriterOptions,
} from "../observe/log_writer.ts";
import { openUnhurried } from "../platform/log_descriptor.ts";
import { openLogFile } from "../platform/file/log_file.ts";
import { systemErrorText } from "../platform/system_error.ts";
import type { LogTarget } from "./protocol/worker_protocol.ts";

/** The settings behind the log. */
export const LOG_PARAMETERS = [
  "maillog_file",
  "maillog_file_prefixes",
  "maillog_file_permissions",
  "log_format",
  "syslog_facility",
  "myhostname",
  "smtputf8_enable",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type LogSettings = SettingsOf<typeof LOG_PARAMETERS>;

/** How the process was started, as far as it decides where lines go. */
export interface LogCircumstances {
  /** Standard output is for the log: `mta serve` in a terminal or a container. */
  readonly foreground: boolean;
  /** systemd gave us a journal for standard output: then the lines go to it by syslog, with their own tags. */
  readonly journal: boolean;
}

/**
 * Where the log goes (maillog_file, postconf(5)): the file it names, which the caller closes; else standard output in the
 * foreground, else the system's log daemon. Throws an Error in postlogd(8)'s words.
 */
export function openLogTarget(settings: LogSettings, circumstances: LogCircumstances): LogTarget {
  const path = settings.maillog_file;
  if (path === "") {
    const toOutput = circumstances.foreground && !circumstances.journal;
    return toOutput ? inherited(1) : { is: "syslog", fd: 1 };
  }
  if (!splitList(settings.maillog_file_prefixes).some((prefix) => path.startsWith(prefix))) {
    throw new Error(
      `maillog_file value "${path}" is not below any of maillog_file_prefixes (${settings.maillog_file_prefixes}); ` +
        "set maillog_file_prefixes to allow it",
    );
  }
  if (path === "/dev/stdout") return inherited(1);
  if (path === "/dev/stderr") return inherited(2);
  try {
    return {
      is: "descriptor",
      fd: openLogFile(path, Number.parseInt(settings.maillog_file_permissions, 8)),
    };
  } catch (error) {
    throw new Error(`open maillog_file ${path}: ${systemErrorText(error)}`, { cause: error });
  }
}

/** Standard output or error: whoever reads it may stop reading, and mail is not to wait for him. */
function inherited(fd: 1 | 2): LogTarget {
  return { is: "descriptor", fd: openUnhurried(fd) };
}

/** Whether the target's descriptor is a file of its own. */
export function isOwnFile(target: LogTarget): boolean {
  return target.is === "descriptor" && target.fd > 2;
}

/** How lines look (log_format, smtputf8_enable); the host is the first label of the machine's name. */
export function lineStyle(settings: LogSettings, host: string, pid: number): LineStyle {
  return {
    format: settings.log_format === "json" ? "json" : "text",
    host: host.split(".")[0] || settings.myhostname,
    pid,
    utf8: settings.smtputf8_enable,
  };
}

/** The writer for a target. */
export function writerFor(
  target: LogTarget,
  settings: LogSettings,
  style: LineStyle,
  options: WriterOptions = {},
): LogWriter {
  return target.is === "syslog"
    ? syslogWriter(settings.syslog_facility, style, options)
    : descriptorWriter(target.fd, style, options);
}
