import type { LightConfiguration } from "../../config/read_settings.ts";
import { askService } from "../../master/control/control_client.ts";
import type { Level } from "../../observe/event.ts";
import type { LogWriter } from "../../observe/log_writer.ts";
import { hostName } from "../../platform/host.ts";
import { ownPid } from "../../platform/process/signals.ts";
import { lineStyle, openLogTarget, writerFor } from "../../worker/log_target.ts";

/** The mail log, as postsuper(1) writes to it. */
export interface SuperLog {
  note(level: Level, text: string): void;
  /** The service is down, and root's rights are about to go: what is said from now on is written here. */
  own(): void;
  /** Writes what was said; what cannot be written was on standard error. */
  flush(): Promise<void>;
}

interface Line {
  readonly level: Level;
  readonly text: string;
}

/** The running service writes it, or the command itself. */
export function openSuperLog({ settings }: LightConfiguration): SuperLog {
  const waiting: Line[] = [];
  let writer: LogWriter | "nowhere" | undefined;
  const own = () => writer ??= openWriter(settings);
  const write = ({ level, text }: Line) => {
    const to = own();
    if (to === "nowhere") return;
    to.write({ time: Date.now(), level, syslogName: settings.syslog_name, program: "postsuper", text });
  };
  return {
    note(level, text) {
      if (writer === undefined) waiting.push({ level, text });
      else write({ level, text });
    },
    own: () => void own(),
    async flush() {
      for (const line of waiting.splice(0)) {
        if (writer !== undefined || !await told(settings, line)) write(line);
      }
      if (writer !== undefined && writer !== "nowhere") writer.flush();
    },
  };
}

/** Whether the running service has written it. */
async function told(settings: LightConfiguration["settings"], { level, text }: Line): Promise<boolean> {
  const answer = await askService({
    queueDirectory: settings.queue_directory,
    verb: "log",
    args: { level, tag: `${settings.syslog_name}/postsuper`, pid: ownPid() },
    items: [text.slice(0, 2000)],
  });
  return answer.is === "done";
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
