import type { Diagnostic } from "./diagnostic.ts";
import { HONOURED } from "./honoured.ts";
import { rowOf, ROWS, type Setting, TRANSPORT_SUFFIXES } from "./scope.ts";

/** Whether the code acts on a parameter. */
export function isHonoured(name: string): boolean {
  if (HONOURED.has(name)) return true;
  return TRANSPORT_SUFFIXES.some((suffix) => name.endsWith(suffix) && HONOURED.has(`<transport>${suffix}`));
}

/** Settings that have no effect here, each by name and with the reason (no setting is silently ignored). */
export function checkHonoured(settings: readonly Setting[]): Diagnostic[] {
  return settings.flatMap((setting) => {
    const row = rowOf(setting.name);
    if (row === undefined || isHonoured(setting.name)) return [];
    const why = row.fit === "moot" && row.note !== undefined ? row.note : "not supported yet";
    return [{
      level: "warning" as const,
      text: `${setting.file}: parameter ${setting.name} has no effect: ${why}`,
      file: setting.file,
      ...(setting.line !== undefined && { line: setting.line }),
      ...(setting.service !== undefined && { service: setting.service }),
      parameter: setting.name,
    }];
  });
}

/** Older names that still work, and what to write instead (Postfix 3.9 and later warn of them). */
export function checkDeprecated(settings: readonly Setting[]): Diagnostic[] {
  return settings.flatMap((setting) => {
    const instead = ROWS.get(setting.name)?.instead;
    if (instead === undefined) return [];
    const advice = /^[a-z0-9_]+$/i.test(instead) ? `specify "${instead}"` : instead;
    return [{
      level: "warning" as const,
      text: `${setting.file}: support for parameter "${setting.name}" will be removed; instead, ${advice}`,
      file: setting.file,
      ...(setting.line !== undefined && { line: setting.line }),
      ...(setting.service !== undefined && { service: setting.service }),
      parameter: setting.name,
    }];
  });
}
