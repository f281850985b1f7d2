import type { LightConfiguration } from "../../config/read_settings.ts";
import type { Level } from "../../observe/event.ts";
import type { LogWriter } from "../../observe/log_writer.ts";
import { hostName } from "../../platform/host.ts";
import { ownPid } from "../../platform/process/signals.ts";
import { lineStyle, openLogTarget, writerFor } from "../../worker/log_target.ts";
import { openMailLog } from "../mail_log.ts";

/** The mail log, as postsuper(1) writes to it. */
export interface SuperLog {
  note(level: Level, text: string): void;
  /** The service is down, and root's rights are about to go: what is said from now on is written here. */
  own(): void;
  /** Writes what was said; what cannot be written was on standard error. */
  flush(): Promise<void>;
}

/** The running service writes it, or the command itself. */
export function openSuperLog(configuration: LightConfiguration): SuperLog {
  const { settings } = configuration;
  const waiting: { readonly level: Level; readonly text: string }[] = [];
  let writer: LogWriter | "nowhere" | undefined;
  return {
    note(level, text) {
      if (writer === undefined) return void waiting.push({ level, text });
      if (writer === "nowhere") return;
      writer.write({ time: Date.now(), level, syslogName: settings.syslog_name, program: "postsuper", text });
    },
    own: () => void (writer ??= openWriter(settings)),
    async flush() {
      if (writer !== undefined && writer !== "nowhere") writer.flush();
      for (const { level, text } of waiting.splice(0)) {
        const of = { level, tag: `${settings.syslog_name}/postsuper`, pid: ownPid() };
        await openMailLog(configuration, of).write([text]).catch(() => {});
      }
    },
  };
}

/** The standard output of a service that is down is not ours. */
function openWriter(settings: LightConfiguration["settings"]): LogWriter | "nowhere" {
  if (settings.maillog_file.startsWith("/dev/std")) return "nowhere";
  try {
    const target = openLogTarget(settings, { foreground: false, journal: false });
    return writerFor(target, settings, lineStyle(settings, hostName(), ownPid()));
  } catch {
    return "nowhere";
  }
}
