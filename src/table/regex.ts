import { Backtracker } from "./regex_backtrack.ts";
import { isAnchored, isRegular, type ParsedRegex } from "./regex_ast.ts";
import { LazyDfa } from "./regex_dfa.ts";
import { compileProgram } from "./regex_program.ts";
import { type Captures, findByThreads, type Preference } from "./regex_threads.ts";

/** A compiled pattern over bytes, one a character. Both methods may throw MatchLimitFault. */
export interface Regex {
  readonly groups: number;
  test(subject: string): boolean;
  find(subject: string): Captures | undefined;
}

/**
 * Compiles a parsed pattern so that no text can make it run away: regular ones run in linear time, others with a limit on
 * their steps. Throws RegexSyntaxError when the pattern is too big.
 */
export function compileRegex({ node, groups }: ParsedRegex, preference: Preference): Regex {
  if (!isRegular(node)) {
    const backtracker = new Backtracker(node, groups);
    return {
      groups,
      test: (subject) => backtracker.find(subject) !== undefined,
      find: (subject) => backtracker.find(subject),
    };
  }
  const program = compileProgram(node, groups);
  const dfa = new LazyDfa(program, isAnchored(node));
  return {
    groups,
    test: (subject) => dfa.test(subject),
    find: (subject) => dfa.test(subject) ? findByThreads(program, subject, preference) : undefined,
  };
}
