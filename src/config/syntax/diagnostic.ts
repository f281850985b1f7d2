/** Something wrong or odd in the configuration: what Postfix would say, where it stands, and what would be right. */
export interface Diagnostic {
  /** `fatal` keeps the service from starting. */
  readonly level: "fatal" | "warning";
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
  const { expected, hint } = diagnostic;
  const notes = [place, expected === undefined ? "" : `specify ${expected}`, hint ?? ""]
    .filter((part) => part !== "");
  return notes.length === 0 ? diagnostic.text : `${diagnostic.text} (${notes.join("; ")})`;
}
