import { printable } from "../base/printable.ts";
import { wrapLine } from "../base/wrap.ts";
import { type CheckResult, type ResultSeverity, worstOf } from "./check_result.ts";

const WIDTH = 79;
/** So many findings of one check are printed that are not all right; the rest is counted. */
const MOST = 6;

/** What is printed of one finding. */
const LONGEST = 600;

const WORDS: Readonly<Record<ResultSeverity, string>> = { ok: "ok", warning: "WARNING", problem: "PROBLEM" };

/** The results for a person, one below the other, and what they come to. */
export function printResults(results: readonly CheckResult[]): string {
  const column = Math.max(...results.map(({ check }) => check.length), 0);
  const printed = [...byCheck(results).values()].flatMap((group) => {
    const shown = group.slice(0, MOST);
    const more = group.length - shown.length;
    const lines = shown.flatMap((each) => linesOf(each, column));
    return more === 0 ? lines : [...lines, `${" ".repeat(column + 10)}and ${more} more (--json has all)`];
  });
  return [...printed, summary(results), ""].join("\n");
}

/** In the order in which each check was first met. */
function byCheck(results: readonly CheckResult[]): ReadonlyMap<string, readonly CheckResult[]> {
  const groups = new Map<string, CheckResult[]>();
  for (const each of results) {
    const group = groups.get(each.check);
    if (group === undefined) groups.set(each.check, [each]);
    else group.push(each);
  }
  return groups;
}

/** A record is never broken: it is there to be copied. */
function linesOf({ severity, check, found, fix, record }: CheckResult, column: number): string[] {
  const indent = column + 10;
  const margin = " ".repeat(indent);
  const head = `${WORDS[severity].padEnd(8)} ${check.padEnd(column)} `;
  return [
    ...wrapLine(head + clipped(printable(found)), WIDTH, indent),
    ...(fix === undefined ? [] : wrapLine(`${margin}fix: ${printable(fix)}`, WIDTH, indent)),
    ...(record === undefined
      ? []
      : [`${margin}publish:`, ...record.split("\n").map((line) => `  ${printable(line)}`)]),
  ];
}

/** Servers may say a lot. */
function clipped(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}... (--json has all)`;
}

/** `9 ok, 1 warning, no problem`. */
function summary(results: readonly CheckResult[]): string {
  const number = (severity: ResultSeverity) => results.filter((each) => each.severity === severity).length;
  const counted = (count: number, word: string) =>
    count === 0 ? `no ${word}` : `${count} ${word}${count === 1 ? "" : "s"}`;
  return `${number("ok")} ok, ${counted(number("warning"), "warning")}, ${
    counted(number("problem"), "problem")
  }`;
}

/** The same for a program: what they come to, and each of them. */
export function resultsJson(results: readonly CheckResult[]): string {
  return `${JSON.stringify({ worst: worstOf(results), results })}\n`;
}
