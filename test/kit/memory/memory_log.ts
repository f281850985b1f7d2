import type { EventFields, EventName } from "../../../src/observe/events.ts";
import { events } from "../../../src/observe/events.ts";
import type { EventKind, Level, Program } from "../../../src/observe/event.ts";
import { logText } from "../../../src/observe/log_line.ts";
import type { Log } from "../../../src/observe/log.ts";

/** A log that keeps its lines as they would be written: `program: text`, the level in front of the text where it is not info. */
export interface MemoryLog extends Log {
  readonly lines: string[];
}

/** A log for tests. */
export function memoryLog(): MemoryLog {
  const lines: string[] = [];
  const add = (program: Program, level: Level, text: string) =>
    void lines.push(`${program}: ${level === "info" ? "" : `${level}: `}${logText(text, true)}`);
  return {
    lines,
    emit<Name extends EventName>(program: Program, name: Name, fields: EventFields<Name>) {
      const kind = events[name] as EventKind<EventFields<Name>>;
      add(program, kind.level, kind.text(fields));
    },
    note: add,
  };
}
