import { type Diagnostic, printDiagnostic } from "../../config/syntax/diagnostic.ts";

/**
 * How bad a finding is: nothing starts; something is shut (a port, a transport) or its mail refused or kept waiting; something is less
 * protected or left out; something is odd; it has no effect and need not have; what is right, and worth knowing.
 */
export type Severity = "refused" | "closed" | "weaker" | "warning" | "harmless" | "info";

/** The worst first. */
export const SEVERITIES: readonly Severity[] = ["refused", "closed", "weaker", "warning", "harmless", "info"];

/** Something found in a configuration, at its start or by `mta check`. */
export interface Finding {
  readonly severity: Severity;
  /** The whole of it, with its place and what would be right. */
  readonly text: string;
  /** What it leads to, without its place. */
  readonly consequence?: string;
  /** What it is a setting of: those of one feature are one line. */
  readonly feature?: string;
  readonly file?: string;
  readonly line?: number;
  readonly parameter?: string;
  readonly service?: string;
  /** Services that are closed because of it, as `name/type`. */
  readonly closes?: readonly string[];
}

const OF_LEVEL = { fatal: "refused", closed: "closed", warning: "warning" } as const;

/** What the check of the files says, as a finding. */
export function findingOf(diagnostic: Diagnostic): Finding {
  const { level, loss, feature, file, line, parameter, service, closes, consequence, text } = diagnostic;
  return {
    severity: loss?.means ?? OF_LEVEL[level],
    text: printDiagnostic(diagnostic),
    consequence: loss?.why ?? consequence ?? feature ?? text,
    ...(feature !== undefined && { feature }),
    ...(file !== undefined && { file }),
    ...(line !== undefined && { line }),
    ...(parameter !== undefined && { parameter }),
    ...(service !== undefined && { service }),
    ...(closes !== undefined && { closes }),
  };
}
