import type { Diagnostic } from "../syntax/diagnostic.ts";
import { ABSENCE, type Absence, type Absent } from "../parameters/absence.ts";
import { HONOURED } from "../parameters/honoured.ts";
import { rowOf, ROWS, type Setting, TRANSPORT_SUFFIXES } from "../scope.ts";

/** Words of a setting that ask for what is not there yet, though the code acts on others. */
const UNMET_WORDS: Readonly<Record<string, { readonly words: RegExp; readonly why: string }>> = {
  notify_classes: {
    words: /\b(?:data|policy|protocol)\b/i,
    why: "transcripts of SMTP sessions are not sent to the postmaster yet",
  },
};

/** Values that ask for nothing. */
const NOTHING = new Set(["", "no", "none", "0"]);

const ACTED_ON: ReadonlySet<string> = new Set(HONOURED);

/** Whether the code acts on a parameter. */
export function isHonoured(name: string): boolean {
  if (ACTED_ON.has(name)) return true;
  return TRANSPORT_SUFFIXES.some((suffix) => name.endsWith(suffix) && ACTED_ON.has(`<transport>${suffix}`));
}

/** What it means that the code does not act on a parameter; undefined for one that it acts on, or that is none. */
export function absenceOf(name: string): Absence | undefined {
  if (isHonoured(name)) return undefined;
  if (Object.hasOwn(ABSENCE, name)) return ABSENCE[name as Absent];
  const suffix = TRANSPORT_SUFFIXES.find((each) => name.endsWith(each) && name.length > each.length);
  return suffix === undefined ? undefined : ABSENCE[`<transport>${suffix}` as Absent];
}

/** What a setting asks for in vain, in the words of the warning. */
function unmetBy({ name, value }: Setting): string | undefined {
  const absence = absenceOf(name);
  if (absence === undefined) {
    const word = UNMET_WORDS[name]?.words.exec(value)?.[0];
    return word === undefined ? undefined : `is not honoured for "${word}": ${UNMET_WORDS[name]!.why}`;
  }
  const row = rowOf(name);
  if (absence.means !== "harmless") return NOTHING.has(value) ? undefined : `is not honoured: ${absence.why}`;
  return `has no effect: ${row?.fit === "moot" ? row.note ?? absence.why : absence.why}`;
}

/** Settings that have no effect here, each by name and with the reason (no setting is silently ignored). */
export function checkHonoured(settings: readonly Setting[]): Diagnostic[] {
  return settings.flatMap((setting) => {
    const unmet = unmetBy(setting);
    return unmet === undefined ? [] : [{
      level: "warning" as const,
      text: `${setting.file}: parameter ${setting.name} ${unmet}`,
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
