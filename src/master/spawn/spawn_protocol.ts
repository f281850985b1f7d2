import {
  count,
  dictionary,
  flag,
  integer,
  list,
  oneOf,
  orNull,
  record,
  type Shape,
  tagged,
  text,
} from "../../base/shape.ts";

/** What the process of a spawn(8) service is told by master: first what it is, then when to end. */
export type ToSpawn =
  | {
    readonly is: "serve";
    readonly argv: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
    readonly directory: string;
    /** Commands at a time, 0 = no limit. */
    readonly most: number;
    /** Milliseconds that a command may take. */
    readonly timeLimit: number;
    /** How many listening sockets it has inherited. */
    readonly listeners: number;
  }
  /** No more connections; it ends with its last command. */
  | { readonly is: "drain" }
  /** It ends, and whatever came of its commands with it; what may be told to end first is, unless it is to be `now`. */
  | { readonly is: "end"; readonly now: boolean };

/** What it tells. The process is its user's, and so are its words: numbers alone reach the log. */
export type FromSpawn =
  /** A command was killed at its time limit. */
  | { readonly is: "late"; readonly pid: number }
  /** A command cannot be run. */
  | { readonly is: "not run"; readonly errno: number }
  /** A command has ended, and not well. */
  | { readonly is: "ended"; readonly code: number | null; readonly signal: number }
  /** The process that waits for connections has ended without one; the next one starts after a moment. */
  | { readonly is: "no listener"; readonly code: number | null; readonly signal: number }
  | { readonly is: "bug"; readonly what: string };

/** Longest message of such a process to master, in bytes. */
export const LONGEST_OF_SPAWN = 16 * 1024;

const LONG = 1024 * 1024;
const MANY = 65_536;
const status: Shape<number | null> = orNull(integer(0, 255));
const signal = integer(0, 255);

export const toSpawn: Shape<ToSpawn> = tagged<ToSpawn, "is">("is", {
  serve: record<Extract<ToSpawn, { is: "serve" }>>({
    is: oneOf("serve"),
    argv: list(text(LONG), MANY),
    environment: dictionary(text(LONG), MANY),
    directory: text(LONG),
    most: count,
    timeLimit: count,
    listeners: count,
  }),
  drain: record<Extract<ToSpawn, { is: "drain" }>>({ is: oneOf("drain") }),
  end: record<Extract<ToSpawn, { is: "end" }>>({ is: oneOf("end"), now: flag }),
});

export const fromSpawn: Shape<FromSpawn> = tagged<FromSpawn, "is">("is", {
  late: record<Extract<FromSpawn, { is: "late" }>>({ is: oneOf("late"), pid: count }),
  "not run": record<Extract<FromSpawn, { is: "not run" }>>({ is: oneOf("not run"), errno: integer(0, 255) }),
  ended: record<Extract<FromSpawn, { is: "ended" }>>({ is: oneOf("ended"), code: status, signal }),
  "no listener": record<Extract<FromSpawn, { is: "no listener" }>>({
    is: oneOf("no listener"),
    code: status,
    signal,
  }),
  bug: record<Extract<FromSpawn, { is: "bug" }>>({ is: oneOf("bug"), what: text(LONGEST_OF_SPAWN) }),
});
