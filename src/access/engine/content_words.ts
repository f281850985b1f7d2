import type { RestrictionList } from "../restriction.ts";
import { restrictionRow } from "./restriction_rows.ts";

/** Restrictions on content that a list reaches through restriction classes. */
export function contentWords(list: RestrictionList, seen = new Set<RestrictionList>()): readonly string[] {
  const words = list.steps.flatMap(({ relayEffect }): readonly string[] => {
    if (relayEffect.is !== "list") return [];
    const inner = relayEffect.list();
    if (seen.has(inner)) return [];
    seen.add(inner);
    const own = inner.steps.map((step) => step.name.split(" ")[0] ?? "");
    return [...own.filter((word) => restrictionRow(word)?.ofContent === true), ...contentWords(inner, seen)];
  });
  return [...new Set(words)];
}
