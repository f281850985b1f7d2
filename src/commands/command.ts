/** How a command was called. */
export interface CommandCall {
  /** The name it was called by: `postmap` through a link, or the word after `mta`. */
  readonly name: string;
  /** `-c` given before the command's name. */
  readonly configDirectory: string | undefined;
  /** How many `-v` were given before the command's name. */
  readonly verbose: number;
  readonly args: readonly string[];
}

/** What a command gets: how it was called, and how it calls others. */
export interface CommandContext extends CommandCall {
  /** Becomes another command of this program, as `sendmail -bp` is `postqueue -p`; its exit status. */
  readonly run: (command: OtherCommand) => Promise<number>;
}

/** A command that another one hands over to. */
export interface OtherCommand {
  readonly name: string;
  readonly args: readonly string[];
  /** The configuration directory when it is not the caller's. */
  readonly configDirectory?: string;
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
