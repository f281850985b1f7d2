import { classCycles } from "./class_cycles.ts";
import { type CompileContext, compileList } from "./compile.ts";
import type { PolicyProblem } from "../policy.ts";
import type { DefaultCheck, RestrictionList } from "../restriction.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** Restriction classes and restrictions that tables name: compiled when first needed, then kept. */
export interface Classes {
  readonly context: CompileContext;
  /** Restrictions out of a table result or a policy server's answer. */
  inline(value: string, table: string, defaultCheck: DefaultCheck | undefined): RestrictionList;
}

/** Compiled table results kept; tables hold few different ones, policy servers may say anything. */
const MAX_INLINE = 1000;

/** Prepares the classes of smtpd_restriction_classes; one without definition is a fatal problem (smtpd(8)). */
export function createClasses(
  names: readonly string[],
  service: { parameter(name: string): string | undefined },
  restrictionDeps: RestrictionDeps,
  report: (problem: PolicyProblem) => void,
): Classes {
  const texts = new Map<string, string>();
  for (const name of names) {
    const text = service.parameter(name) ?? "";
    if (text.trim() === "") {
      const parameter = "smtpd_restriction_classes";
      report({ level: "fatal", parameter, text: `restriction class \`${name}' needs a definition` });
    } else texts.set(name, text);
  }
  for (const cycle of classCycles(texts)) {
    const text = `restriction class contains itself: ${
      cycle.join(" -> ")
    }; whoever gets there is deferred with 451`;
    report({ level: "warning", parameter: cycle[0]!, text });
  }
  const compiled = new Map<string, RestrictionList>();
  const context: CompileContext = {
    restrictionDeps,
    problem: report,
    classNamed(name, defaultCheck) {
      const text = texts.get(name);
      if (text === undefined) return undefined;
      const key = `${name} ${defaultCheck ?? ""}`;
      return () => kept(compiled, key, () => compileList(name, text, defaultCheck, context));
    },
  };
  for (const [name, text] of texts) compileList(name, text, "check_recipient_access", context);
  const quiet: CompileContext = { ...context, problem: () => {} };
  const inlined = new Map<string, RestrictionList>();
  return {
    context,
    inline(value, table, defaultCheck) {
      if (inlined.size >= MAX_INLINE) inlined.clear();
      const key = `${value}\n${table}\n${defaultCheck ?? ""}`;
      return kept(inlined, key, () => compileList(table, value, defaultCheck, quiet));
    },
  };
}

function kept<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
