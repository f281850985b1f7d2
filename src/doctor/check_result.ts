/** How it stands: as it should be; mail goes, but something is odd or will go wrong; mail is lost, refused or kept waiting. */
export type ResultSeverity = "ok" | "warning" | "problem";

/** What one look has brought. */
export interface CheckResult {
  readonly severity: ResultSeverity;
  /** What was looked at: `clock`, `port 25`. */
  readonly check: string;
  readonly found: string;
  /** What to do; left out where all is well, or where `found` says it. */
  readonly fix?: string;
  /** The record to publish, as a zone file has it. */
  readonly record?: string;
}

/** What is said beside the finding itself. */
export type Remedy = Pick<CheckResult, "fix" | "record">;

export function ok(check: string, found: string): CheckResult {
  return { severity: "ok", check, found };
}

export function warning(check: string, found: string, remedy: Remedy = {}): CheckResult {
  return { severity: "warning", check, found, ...remedy };
}

export function problem(check: string, found: string, remedy: Remedy = {}): CheckResult {
  return { severity: "problem", check, found, ...remedy };
}

/** The worst of them: `ok` where there is none. */
export function worstOf(results: readonly CheckResult[]): ResultSeverity {
  const has = (severity: ResultSeverity) => results.some((each) => each.severity === severity);
  return has("problem") ? "problem" : has("warning") ? "warning" : "ok";
}

/** Exit status of a command that has looked, as monitoring programs take it: 0 all is well, 1 warnings, 2 problems. */
export const STATUS_OF: Readonly<Record<ResultSeverity, number>> = { ok: 0, warning: 1, problem: 2 };
