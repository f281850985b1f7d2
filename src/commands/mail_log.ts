import type { LightConfiguration } from "../config/read_settings.ts";
import { askService } from "../master/control/control_client.ts";
import type { LogOrigin } from "../master/control/control_verbs.ts";
import type { LogWriter } from "../observe/log_writer.ts";
import { hostName } from "../platform/host.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { lineStyle, openLogTarget, writerFor } from "../worker/log_target.ts";

/** Characters of a line that are sent: more are not written (log_line.ts). */
const LONGEST = 2000;

/** Lines of a command's for the mail log. */
export interface MailLog {
  /** Throws an Error, in postlog(1)'s words, where they cannot be written. */
  write(lines: readonly string[]): Promise<void>;
}

/**
 * The mail log as a command writes to it: by the running service, whose log may be where no other process can write; itself while the
 * service is down, or where the service takes no lines of this user.
 */
export function openMailLog({ settings }: LightConfiguration, of: LogOrigin): MailLog {
  let own: LogWriter | undefined;
  return {
    async write(lines) {
      const { queue_directory: queueDirectory } = settings;
      const items = lines.map((line) => line.slice(0, LONGEST));
      const answer = own === undefined
        ? await askService({ queueDirectory, verb: "log", args: of, items })
        : undefined;
      if (answer?.is === "done") return;
      own ??= openOwn(settings, of);
      const { level, tag, pid } = of;
      const { syslog_name: syslogName } = settings;
      for (const text of items) {
        own.write({ time: Date.now(), level, syslogName, program: "postlog", of: { tag, pid }, text });
      }
      own.flush();
    },
  };
}

function openOwn(settings: LightConfiguration["settings"], { pid }: LogOrigin): LogWriter {
  try {
    const target = openLogTarget(settings, { foreground: false, journal: false });
    return writerFor(target, settings, lineStyle(settings, hostName(), pid));
  } catch (error) {
    if (!(error instanceof Error) || error.cause === undefined) throw error;
    const why = `cannot open file: ${systemErrorText(error.cause)}`;
    throw new Error(`open logfile '${settings.maillog_file}': ${why}`, { cause: error });
  }
}
