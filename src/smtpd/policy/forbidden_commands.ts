import { splitMatchList } from "../../config/syntax/list.ts";

/** smtpd_forbidden_commands as far as no table has to be opened for it: names and inline patterns. */
export interface ForbiddenCommands {
  /** Upper case. */
  readonly names: ReadonlySet<string>;
  readonly patterns: readonly RegExp[];
}

const INLINE = /^(?:regexp|pcre):\{\s*\{\s*\/((?:[^/\\]|\\.)*)\/(\w*)\s+\S+.*\}\s*\}$/;

function patternOf(item: string): RegExp | undefined {
  const match = INLINE.exec(item);
  // Case is folded unless the flag `i` turns that off (regexp_table(5)).
  return match === null ? undefined : new RegExp(match[1]!, match[2]!.includes("i") ? "" : "i");
}

/** Whether an item is a pattern written in place, such as the default `regexp:{{/^[^A-Z]/ Bogus}}`. */
export function isInlinePattern(item: string): boolean {
  return INLINE.test(item);
}

/** Takes smtpd_forbidden_commands apart; tables by name are opened elsewhere. */
export function readForbiddenCommands(text: string): ForbiddenCommands {
  const { items } = splitMatchList(text);
  return {
    names: new Set(items.filter((item) => !item.includes(":")).map((item) => item.toUpperCase())),
    patterns: items.map(patternOf).filter((pattern) => pattern !== undefined),
  };
}
