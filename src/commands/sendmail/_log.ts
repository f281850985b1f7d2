import type { LightConfiguration } from "../../config/read_settings.ts";
import { askService } from "../../master/control/control_client.ts";
import { isRoot } from "../../platform/process/effective_ids.ts";
import { createLog } from "../../observe/create_log.ts";
import type { Log } from "../../observe/log.ts";
import { hostName } from "../../platform/host.ts";
import { ownPid } from "../../platform/process/signals.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import { lineStyle, openLogTarget, writerFor } from "../../worker/log_target.ts";
import type { Remark } from "./_complaints.ts";

/** Characters of a line that are sent: more are not written. */
const LONGEST = 2000;

/** The mail log, which writes what it has gathered when it is asked to. */
export interface CommandLog extends Log {
  flush(): void;
}

/**
 * Opens the mail log. An ordinary user may not write to maillog_file, and our own standard output is none: then the system's log daemon
 * hears it.
 */
export function openLog(settings: Settings): CommandLog {
  const writer = writerFor(targetOf(settings), settings, lineStyle(settings, hostName(), ownPid()));
  return { ...createLog({ syslogName: settings.syslog_name, writer }), flush: () => writer.flush() };
}

function targetOf(settings: Settings): ReturnType<typeof openLogTarget> {
  try {
    if (!isStream(settings)) return openLogTarget(settings, { foreground: false, journal: false });
  } catch {
    // The system's, then.
  }
  return { is: "syslog", fd: 1 };
}

const isStream = ({ maillog_file }: Settings) => /^\/dev\/std(?:out|err)$/.test(maillog_file);

/**
 * Tells the log what was said on standard error; where it cannot be told, standard error has it all the same. What is standard output
 * for the service the service writes to, for root.
 */
export async function logRemarks(
  configuration: LightConfiguration,
  remarks: readonly Remark[],
): Promise<void> {
  const { settings } = configuration;
  try {
    if (isStream(settings) && isRoot()) return await tellService(configuration, remarks);
    const log = openLog(settings);
    for (const { level, text } of remarks) log.note("sendmail", level, text);
    log.flush();
  } catch {
    // No socket can be made, or a setting of the log cannot be used.
  }
}

async function tellService({ settings }: LightConfiguration, remarks: readonly Remark[]): Promise<void> {
  const { queue_directory: queueDirectory, syslog_name } = settings;
  for (const { level, text } of remarks) {
    const of = { level, tag: `${syslog_name}/sendmail`, pid: ownPid() };
    await askService({ queueDirectory, verb: "log", args: of, items: [text.slice(0, LONGEST)] });
  }
}
