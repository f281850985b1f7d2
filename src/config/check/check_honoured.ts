import type { Diagnostic } from "../syntax/diagnostic.ts";
import { ABSENCE, type Absence, type Absent } from "../parameters/absence.ts";
import { HONOURED } from "../parameters/honoured.ts";
import { type Setting, TRANSPORT_SUFFIXES } from "../scope.ts";
import { type Loss, lossOf, type Surroundings } from "./lost.ts";

/** Words of a setting that ask for what is not there yet, though the code acts on others. */
const UNMET_WORDS: Readonly<Record<string, { readonly words: RegExp; readonly why: string }>> = {
  notify_classes: {
    words: /\b(?:data|policy|protocol)\b/i,
    why: "transcripts of SMTP sessions are not sent to the postmaster yet",
  },
};

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

/** What a setting asks for in vain, if anything. */
function lossBy(
  { name, value }: Setting,
  around: Surroundings,
): (Loss & { readonly text: string }) | undefined {
  const absence = absenceOf(name);
  if (absence === undefined) {
    const word = UNMET_WORDS[name]?.words.exec(value)?.[0];
    if (word === undefined) return undefined;
    const { why } = UNMET_WORDS[name]!;
    return { means: "weaker", why, text: `is not honoured for "${word}": ${why}` };
  }
  const loss = lossOf(name, value, absence, around);
  return { ...loss, text: `${loss.means === "harmless" ? "has no effect" : "is not honoured"}: ${loss.why}` };
}

/** Settings that have no effect here, each by name and with the reason (no setting is silently ignored). */
export function checkHonoured(
  settings: readonly Setting[],
  around: (setting: Setting) => Surroundings,
): Diagnostic[] {
  return settings.flatMap((setting) => {
    const loss = lossBy(setting, around(setting));
    return loss === undefined ? [] : [{
      level: "warning" as const,
      text: `${setting.file}: parameter ${setting.name} ${loss.text}`,
      file: setting.file,
      ...(setting.line !== undefined && { line: setting.line }),
      ...(setting.service !== undefined && { service: setting.service }),
      parameter: setting.name,
      loss: { means: loss.means, why: loss.why },
      ...(loss.feature !== undefined && { feature: loss.feature }),
    }];
  });
}
