/** How a value is written and checked (postconf(5)). The lists are strings that their room splits. */
export type ParameterType =
  | "bool"
  | "int"
  | "size"
  | "time"
  | "string"
  | "address"
  | "enum"
  | "list"
  | "maps"
  | "restriction-list"
  | "template";

/** One row of the table of parameters. */
export interface ParameterRow {
  readonly type: ParameterType;
  /** Built-in default as in postconf -d, expressions included. */
  readonly fallback: string;
  /** Postfix release that introduced it; `mta` marks our own. */
  readonly since: string;
  /** Programs that read it. */
  readonly daemons: string;
  readonly area: string;
  /** How it fits a single binary: core, full, rare, or moot (then `note` says why it has no effect). */
  readonly fit: string;
  /** Allowed range, `min..max` in base units; `non-empty`; `len a..b`. */
  readonly range?: string;
  readonly note?: string;
  /** Default in newer releases, where it differs. */
  readonly newer?: string;
  /** What to use instead, for legacy names. */
  readonly instead?: string;
}

/** TypeScript type of a parameter's value: times are seconds, sizes bytes, lists their expanded text. */
export type ValueOf<Row extends ParameterRow> = Row["type"] extends "bool" ? boolean
  : Row["type"] extends "int" | "size" | "time" ? number
  : string;
