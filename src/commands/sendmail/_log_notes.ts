import type { LightConfiguration } from "../../config/read_settings.ts";
import { createLog } from "../../observe/create_log.ts";
import { hostName } from "../../platform/host.ts";
import { ownPid } from "../../platform/process/signals.ts";
import { lineStyle, type LogSettings, openLogTarget, writerFor } from "../../worker/log_target.ts";
import type { Note } from "./_complaints.ts";

/**
 * The mail log, opened when there is something to say. An ordinary user may not write to maillog_file: then the system's log daemon hears
 * it.
 */
export function logNotes({ settings }: Pick<LightConfiguration, "settings">): Note {
  return (level, text) => {
    const style = lineStyle(settings, hostName(), ownPid());
    const writer = writerFor(targetOf(settings), settings, style);
    createLog({ syslogName: settings.syslog_name, writer }).note("sendmail", level, text);
    writer.flush();
  };
}

function targetOf(settings: LogSettings): ReturnType<typeof openLogTarget> {
  try {
    return openLogTarget(settings, { foreground: false, journal: false });
  } catch {
    return { is: "syslog", fd: 1 };
  }
}
