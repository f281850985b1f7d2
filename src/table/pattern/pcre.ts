import { pcreCompile, type PcreFlags } from "../../platform/pcre.ts";
import type { TableContext } from "../context.ts";
import type { Dialect, Matcher } from "./pattern_rules.ts";
import { openPatternTable } from "./pattern_table.ts";
import { MatchLimitFault } from "../../regex/backtrack.ts";
import { parsePerl } from "../../regex/perl.ts";
import { ownMatcher } from "./regexp.ts";
import type { Table } from "../table.ts";

type Flags = Readonly<Record<string, boolean>>;

const complaint = (offset: number, text: string) => `error in regex at offset ${offset}: ${text}`;

function compile(pattern: string, flags: Flags): Matcher | string {
  const found = pcreCompile(pattern, {
    i: flags.i!,
    m: flags.m!,
    s: flags.s!,
    x: flags.x!,
    A: flags.A!,
    E: flags.E!,
    U: flags.U!,
  });
  if (found === undefined) return compileOurselves(pattern, flags);
  if ("error" in found) return complaint(found.offset, found.error);
  const run = (subject: string) => {
    const groups = found.match(subject);
    if (typeof groups === "string") throw new MatchLimitFault(groups);
    return groups;
  };
  return { groups: found.groups, test: (subject) => run(subject) !== undefined, groupsOf: run };
}

function perlFlags(flags: Flags): PcreFlags {
  return { i: flags.i!, m: flags.m!, s: flags.s!, x: flags.x!, A: flags.A!, E: flags.E!, U: flags.U! };
}

/** Where libpcre2 is not installed: our own reading of the syntax, linear where the pattern is regular. */
function compileOurselves(pattern: string, flags: Flags): Matcher | string {
  const read = perlFlags(flags);
  return ownMatcher(
    () => parsePerl(pattern, read),
    "first",
    (error) => complaint(error.offset, error.message),
  );
}

const PERL: Dialect = {
  name: "pcre",
  flags: { i: true, m: false, s: true, x: false, A: false, E: false, U: false },
  compile,
  parse: (pattern, flags) => parsePerl(pattern, perlFlags(flags)),
  unclosed: "ignoring this rule",
};

/** `pcre:file` or `pcre:{ {rule}, ... }`: Perl-compatible regular expressions (pcre_table(5)). */
export function openPcre(name: string, spec: string, context: TableContext): Table {
  return openPatternTable(name, spec, context, { ...PERL, noSubstitution: context.paranoid === true });
}
