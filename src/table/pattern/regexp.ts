import type { TableContext } from "../context.ts";
import type { Dialect, Matcher } from "./pattern_rules.ts";
import { openPatternTable } from "./pattern_table.ts";
import { type ParsedRegex, RegexSyntaxError } from "../../regex/syntax_tree.ts";
import { parsePosix } from "../../regex/posix.ts";
import { compileRegex } from "../../regex/regex.ts";
import type { Preference } from "../../regex/threads.ts";
import type { Table } from "../table.ts";

/** Wraps our own engine as a rule's matcher; answers the complaint when the pattern cannot be read. */
export function ownMatcher(
  parse: () => ParsedRegex,
  preference: Preference,
  complain: (error: RegexSyntaxError) => string,
): Matcher | string {
  try {
    const regex = compileRegex(parse(), preference);
    return {
      groups: regex.groups,
      test: (subject) => regex.test(subject),
      groupsOf: (subject) => {
        const found = regex.find(subject);
        if (found === undefined) return undefined;
        return Array.from({ length: regex.groups + 1 }, (_, group) => {
          const start = found[2 * group]!;
          return start < 0 ? "" : subject.slice(start, found[2 * group + 1]!);
        });
      },
    };
  } catch (error) {
    if (error instanceof RegexSyntaxError) return complain(error);
    throw error;
  }
}

const POSIX: Dialect = {
  name: "regexp",
  flags: { i: true, m: false, x: true },
  compile: (pattern, flags) => {
    const read = { ignoreCase: flags.i!, newline: flags.m!, extended: flags.x! };
    return ownMatcher(() => parsePosix(pattern, read), "longest", (error) => error.message);
  },
  parse: (pattern, flags) =>
    parsePosix(pattern, { ignoreCase: flags.i!, newline: flags.m!, extended: flags.x! }),
  unclosed: "skipping this rule",
};

/** `regexp:file` or `regexp:{ {rule}, ... }`: POSIX regular expressions (regexp_table(5)). */
export function openRegexp(name: string, spec: string, context: TableContext): Table {
  return openPatternTable(name, spec, context, { ...POSIX, noSubstitution: context.paranoid === true });
}
