import { events } from "./events.ts";
import type { EventFields, EventName } from "./events.ts";
import type { EventKind, FieldValue } from "./event.ts";
import type { Log } from "./log.ts";
import type { LogWriter } from "./log_writer.ts";

/** What a log needs beside its writer. */
export interface LogOptions {
  /** The tag's first part: `postfix`, or a service's own `-o syslog_name=postfix/submission`. */
  readonly syslogName: string;
  readonly writer: LogWriter;
  /** Also told of every event, with its fields: counts them (`countEvents`). */
  readonly observe?: <Name extends EventName>(name: Name, fields: EventFields<Name>) => void;
  readonly now?: () => number;
}

/** The log of one service: typed events become lines of the writer and, by `observe`, metrics. */
export function createLog({ syslogName, writer, observe, now = Date.now }: LogOptions): Log {
  return {
    emit(program, name, fields) {
      const kind = events[name] as EventKind<EventFields<typeof name>>;
      const text = kind.text(fields);
      // An event without a text is only counted.
      if (text !== "") {
        writer.write({
          time: now(),
          level: kind.level,
          syslogName,
          program,
          text,
          event: name,
          fields: fields as { readonly [field: string]: FieldValue },
        });
      }
      observe?.(name, fields);
    },
    note: (program, level, text) => writer.write({ time: now(), level, syslogName, program, text }),
  };
}
