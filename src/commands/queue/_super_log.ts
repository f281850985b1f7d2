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
  /** Writes what was said if that is much. */
  flushMuch(): Promise<void>;
  /** Writes what was said; what cannot be written was on standard error. */
  flush(): Promise<void>;
}

interface Line {
  readonly level: Level;
  readonly text: string;
}

/** Lines that are kept at a time, and the characters that are sent of one. */
const [MUCH, LONGEST] = [1000, 2000];

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
  const flush = async () => {
    while (waiting.length > 0) {
      const some = waiting.splice(0, alike(waiting.slice(0, MUCH)).length);
      if (writer !== undefined || !await told(settings, some)) some.forEach(write);
    }
    if (writer !== undefined && writer !== "nowhere") writer.flush();
  };
  return {
    note(level, text) {
      if (writer === undefined) waiting.push({ level, text });
      else write({ level, text });
    },
    own: () => void own(),
    flushMuch: () => waiting.length < MUCH ? Promise.resolve() : flush(),
    flush,
  };
}

/** Whether the running service has written them. */
async function told(settings: LightConfiguration["settings"], lines: readonly Line[]): Promise<boolean> {
  const answer = await askService({
    queueDirectory: settings.queue_directory,
    verb: "log",
    args: { level: lines[0]!.level, tag: `${settings.syslog_name}/postsuper`, pid: ownPid() },
    items: lines.map(({ text }) => text.slice(0, LONGEST)),
  });
  return answer.is === "done";
}

/** The first lines, as long as they are as grave as the first one. */
function alike(lines: readonly Line[]): readonly Line[] {
  const end = lines.findIndex(({ level }) => level !== lines[0]!.level);
  return end < 0 ? lines : lines.slice(0, end);
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
