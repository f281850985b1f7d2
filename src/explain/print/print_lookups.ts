import type { Lookup } from "../explanation.ts";
import type { Sheet } from "./sheet.ts";

/** Longest answer that is shown; the rest is for --json. */
const MAX_ANSWER = 160;

/** Questions and answers, one a line; keys of one table that are not there share a line. The table `own` need not be named. */
export function printLookups(sheet: Sheet, depth: number, lookups: readonly Lookup[], own?: string): void {
  for (let at = 0; at < lookups.length;) {
    const missing = run(lookups, at);
    const label = labelOf(lookups[at]!, own);
    if (missing.length > 0) {
      const keys = missing.map(({ key }) => key).join(", ");
      sheet.row(depth, `${label}: ${keys}`, "not there", "faint");
      at += missing.length;
    } else printFound(sheet, depth, lookups[at++]!, label);
  }
}

/** The questions from here on that were put to one source in vain. */
function run(lookups: readonly Lookup[], from: number): readonly Lookup[] {
  const first = lookups[from]!;
  const end = lookups.findIndex((each, at) =>
    at >= from && !(isMissing(each) && labelOf(each) === labelOf(first))
  );
  return isMissing(first) ? lookups.slice(from, end < 0 ? undefined : end) : [];
}

function isMissing({ answer, trouble }: Lookup): boolean {
  return answer === undefined && trouble === undefined;
}

function labelOf({ kind, source }: Lookup, own?: string): string {
  if (source === own) return "key";
  return kind === "dns" ? `DNS ${source}` : source;
}

function printFound(sheet: Sheet, depth: number, lookup: Lookup, label: string): void {
  const { key, answer, trouble, file, line, request } = lookup;
  const where = file === undefined ? "" : ` (${file.slice(file.lastIndexOf("/") + 1)} line ${line})`;
  const text = trouble === undefined
    ? `${(answer ?? "").slice(0, MAX_ANSWER)}${where}`
    : `cannot tell: ${trouble}`;
  sheet.row(depth, `${label}: ${key}`, text);
  if (request === undefined) return;
  const told = request.filter((each) => !each.endsWith("=")).join(" ");
  sheet.line(depth + 1, told, "faint");
}
