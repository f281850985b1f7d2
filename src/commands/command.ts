/** What a command gets beside its own arguments. */
export interface CommandContext {
  /** The name it was called by: `postmap` through a link, or the word after `mta`. */
  readonly name: string;
  /** `-c` given before the command's name. */
  readonly configDirectory: string | undefined;
  /** How many `-v` were given before the command's name. */
  readonly verbose: number;
  readonly args: readonly string[];
}

/** A command: does its work and answers the exit status. */
export type Command = (context: CommandContext) => number | Promise<number>;

/** A row of the command table; `load` brings the code, so that small commands start in milliseconds. */
export interface CommandRow {
  readonly group: "service" | "tables" | "queue" | "mail" | "configuration";
  readonly summary: string;
  /** Another name of a command that is listed. */
  readonly hidden?: boolean;
  /** All options of a command that has no more than these words; such a command's `--help` and its refusals are made from them. */
  readonly options?: Readonly<Record<string, string>>;
  readonly load: () => Promise<Command>;
}
