import { Backtracker, MatchLimitFault } from "./backtrack.ts";
import { isAnchored, isRegular, type Node, type ParsedRegex } from "./syntax_tree.ts";
import { LazyDfa } from "./dfa.ts";
import { compileProgram, type Program } from "./program.ts";
import { type Captures, findByThreads, type Preference } from "./threads.ts";

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
  const program = compileProgram(node, groups, preference === "first");
  const dfa = new LazyDfa(program, isAnchored(node));
  const groupsOf = preference === "first"
    ? groupsByTrying(node, groups, program)
    : (subject: string) => findByThreads(program, subject, preference);
  return {
    groups,
    test: (subject) => dfa.test(subject),
    find: (subject) => dfa.test(subject) ? groupsOf(subject) : undefined,
  };
}

/** Perl's groups exactly, as its own way of searching finds them; when that takes too long, by threads. */
function groupsByTrying(
  node: Node,
  groups: number,
  program: Program,
): (subject: string) => Captures | undefined {
  const backtracker = new Backtracker(node, groups);
  return (subject) => {
    try {
      return backtracker.find(subject);
    } catch (error) {
      if (!(error instanceof MatchLimitFault)) throw error;
      return findByThreads(program, subject, "first");
    }
  };
}
