import { createLog } from "../../observe/create_log.ts";
import type { Log } from "../../observe/log.ts";
import { hostName } from "../../platform/host.ts";
import { ownPid } from "../../platform/process/signals.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import { lineStyle, openLogTarget, writerFor } from "../../worker/log_target.ts";
import type { Remark } from "./_complaints.ts";

/** The mail log, which writes what it has gathered when it is asked to. */
export interface CommandLog extends Log {
  flush(): void;
}

/** Opens the mail log. An ordinary user may not write to maillog_file: then the system's log daemon hears it. */
export function openLog(settings: Settings): CommandLog {
  const writer = writerFor(targetOf(settings), settings, lineStyle(settings, hostName(), ownPid()));
  return { ...createLog({ syslogName: settings.syslog_name, writer }), flush: () => writer.flush() };
}

/** Tells the log what was said on standard error; where it cannot be told, standard error has it all the same. */
export function logRemarks(settings: Settings, remarks: readonly Remark[]): void {
  try {
    const log = openLog(settings);
    for (const { level, text } of remarks) log.note("sendmail", level, text);
    log.flush();
  } catch {
    // No socket can be made, or a setting of the log cannot be used.
  }
}

function targetOf(settings: Settings): ReturnType<typeof openLogTarget> {
  try {
    return openLogTarget(settings, { foreground: false, journal: false });
  } catch {
    return { is: "syslog", fd: 1 };
  }
}
