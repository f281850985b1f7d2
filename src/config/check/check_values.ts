import { ConfigurationFault, type Diagnostic } from "../syntax/diagnostic.ts";
import { enumProblem } from "../parameters/enum_values.ts";
import { references } from "../syntax/expand.ts";
import { hasDefault, ROWS, type Scope, type Setting } from "../scope.ts";

/** What is wrong with one value: its expansion, its type, its range, its words. */
export function valueProblems(scope: Scope, name: string): readonly Diagnostic[] {
  try {
    const value = scope.value(name);
    if (typeof value !== "string") return [];
    const problem = enumProblem(name, value, `${scope.directory}/main.cf`);
    return problem === undefined ? [] : [scope.complaint(name, value, problem.text, problem.expected)];
  } catch (error) {
    if (error instanceof ConfigurationFault) return error.diagnostics;
    throw error;
  }
}

/**
 * All wrong values among those set at one place, and among the defaults that build on them, as far as one of these programs
 * reads them: five processes are too few for postscreen's queue only where there is a postscreen.
 */
export function checkValues(
  scope: Scope,
  settings: Iterable<Setting>,
  programs: ReadonlySet<string>,
): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const wrong = new Set<string>();
  let touched = 0;
  for (const { name } of settings) {
    touched++;
    const problems = valueProblems(scope, name);
    if (problems.length > 0) wrong.add(name);
    diagnostics.push(...problems);
  }
  return [...diagnostics, ...(touched === 0 ? [] : checkDefaults(scope, wrong, programs))];
}

/** The names that the built-in defaults mention, where they do. */
const MENTIONS: ReadonlyMap<string, readonly string[]> = new Map(
  [...ROWS].flatMap(([name, row]) => {
    const { names } = references(row.fallback);
    return names.length === 0 || !hasDefault(row) ? [] : [[name, names] as const];
  }),
);

/** All names that some built-in default mentions. */
export const MENTIONED_BY_DEFAULTS: ReadonlySet<string> = new Set([...MENTIONS.values()].flat());

/** Defaults such as `$smtp_tls_ciphers` go wrong with what they mention; the cause is reported once. */
function checkDefaults(scope: Scope, wrong: Set<string>, programs: ReadonlySet<string>): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const [name, mentioned] of MENTIONS) {
    if (scope.setting(name) !== undefined || !isRead(name, programs)) continue;
    const problems = valueProblems(scope, name);
    if (problems.length === 0) continue;
    wrong.add(name);
    if (!mentioned.some((each) => wrong.has(each))) {
      diagnostics.push(...problems.map((each) => blameMentioned(scope, each, mentioned)));
    }
  }
  return diagnostics;
}

function isRead(name: string, programs: ReadonlySet<string>): boolean {
  return ROWS.get(name)!.daemons.split(",").some((program) => program === "all" || programs.has(program));
}

/** Points to the setting that spoils a default. */
function blameMentioned(scope: Scope, problem: Diagnostic, mentioned: readonly string[]): Diagnostic {
  if (problem.file !== undefined) return problem;
  const cause = mentioned.find((name) => scope.setting(name) !== undefined);
  if (cause === undefined) return problem;
  const { file, line, service } = scope.setting(cause)!;
  return {
    ...problem,
    file,
    ...(line !== undefined && { line }),
    ...(service !== undefined && { service }),
    hint: `it takes its value from ${cause}`,
  };
}
