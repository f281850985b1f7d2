import type { EventFields, EventName } from "./events.ts";
import type { Level, Program } from "./event.ts";

/**
 * Where code sends what happened. An event is typed (`events.ts`) and emitted once; text line, JSON line and metrics are
 * views of it.
 */
export interface Log {
  /** Emits an event on behalf of a program; queue ids are a field named `id`. */
  emit<Name extends EventName>(program: Program, name: Name, fields: EventFields<Name>): void;
  /** A free-form line, for what no tool parses: start-up notes, configuration warnings. */
  note(program: Program, level: Level, text: string): void;
}
