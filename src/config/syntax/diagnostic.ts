/** Something wrong or odd in the configuration: what Postfix would say, where it stands, and what would be right. */
export interface Diagnostic {
  /** `fatal` keeps everything from starting; `closed` stops the services that `closes` names, and the rest serves. */
  readonly level: "fatal" | "closed" | "warning";
  /** The entries of master.cf, as `name/type`, that cannot serve because of it. */
  readonly closes?: readonly string[];
  /** Postfix's own text wherever Postfix has one. */
  readonly text: string;
  /** File, or `environment`, or `command line`. */
  readonly file?: string;
  /** First line of the entry, from 1. */
  readonly line?: number;
  readonly parameter?: string;
  readonly value?: string;
  /** master.cf entry as `name/type`, for `-o` values and fields. */
  readonly service?: string;
  /** What is lost, where it says what is not there: mail that is refused or waits, something weaker, or nothing. */
  readonly loss?: {
    readonly means: "closed" | "weaker" | "harmless";
    readonly why: string;
  };
  /** What it is a setting of; findings of one feature are reported as one. */
  readonly feature?: string;
  /** What it leads to: "smtp/inet turns its clients away with 421". */
  readonly consequence?: string;
  /** What to write instead: "a whole number, for example 100". */
  readonly expected?: string;
  /** What else helps: "did you mean mynetworks?". */
  readonly hint?: string;
}

/** Thrown by the light path when a value that is needed cannot be used; carries every diagnostic known by then. */
export class ConfigurationFault extends Error {
  override readonly name = "ConfigurationFault";
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(printDiagnostic).join("; "));
    this.diagnostics = diagnostics;
  }
}

/** Where the diagnostic points to: `/etc/postfix/main.cf, line 7`. */
function placeOf({ file, line, service }: Pick<Diagnostic, "file" | "line" | "service">): string {
  return [
    file ?? "",
    line === undefined ? "" : `line ${line}`,
    service === undefined ? "" : `service ${service}`,
  ]
    .filter((part) => part !== "").join(", ");
}

/** What Postfix's text names already need not be said again. */
function alreadySaid({ text, file, line }: Diagnostic): { file?: undefined; line?: undefined } {
  return {
    ...(file !== undefined && text.includes(file) && { file: undefined }),
    ...(line !== undefined && new RegExp(`\\bline ${line}\\b`).test(text) && { line: undefined }),
  };
}

/** The diagnostic as a person reads it, without its level: Postfix's text, then place and remedy in parentheses. */
export function printDiagnostic(diagnostic: Diagnostic): string {
  const place = placeOf({ ...diagnostic, ...alreadySaid(diagnostic) });
  const { expected, hint, consequence } = diagnostic;
  const notes = [consequence ?? "", place, expected === undefined ? "" : `specify ${expected}`, hint ?? ""]
    .filter((part) => part !== "");
  return notes.length === 0 ? diagnostic.text : `${diagnostic.text} (${notes.join("; ")})`;
}
