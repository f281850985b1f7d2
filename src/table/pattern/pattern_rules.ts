import { type ParsedRegex, RegexSyntaxError } from "../../regex/syntax_tree.ts";
import { samplesOf } from "../../regex/samples.ts";
import { type BlockRule, IfBlocks } from "./if_blocks.ts";
import { namesGroups, parseReplacement, type Replacement } from "./replacement.ts";

/** A compiled pattern: what a dialect makes of it. */
export interface Matcher {
  readonly groups: number;
  test(subject: string): boolean;
  /** Texts of the groups, by number; undefined when it does not match. */
  groupsOf(subject: string): readonly string[] | undefined;
}

/** What differs between regexp: and pcre: tables. */
export interface Dialect {
  /** `regexp` or `pcre`, as in messages. */
  readonly name: string;
  /** Flags, and how they are set before a rule toggles them. */
  readonly flags: Readonly<Record<string, boolean>>;
  /** Compiles, or answers what is wrong in the library's words. */
  readonly compile: (pattern: string, flags: Readonly<Record<string, boolean>>) => Matcher | string;
  /** Reads a pattern without compiling it. Throws RegexSyntaxError. */
  readonly parse: (pattern: string, flags: Readonly<Record<string, boolean>>) => ParsedRegex;
  /** Rules that put parts of the key into the value are skipped (DICT_FLAG_NO_REGSUB). */
  readonly noSubstitution?: boolean;
  /** How the message for an unclosed pattern goes on. */
  readonly unclosed: string;
}

interface MatchRule {
  readonly matcher: Matcher;
  readonly negative: boolean;
  readonly replacement: Replacement;
  readonly line: number;
  /** As written, delimiters and flags included. */
  readonly pattern: string;
  /** Texts that the rule may be for: guesses, to be tried. */
  samples(): readonly string[];
}

interface Condition {
  readonly matcher: Matcher;
  readonly negative: boolean;
  readonly line: number;
  /** As of a rule: what comes to the rules inside must be such a text. */
  samples(): readonly string[];
}

/** A rule of a pattern table. */
export type Rule = BlockRule<MatchRule, Condition>;

interface Pattern {
  readonly matcher: Matcher;
  readonly negative: boolean;
  readonly rest: string;
  readonly written: string;
  readonly parse: () => ParsedRegex;
}

/** Reads the lines of a pattern table; what is wrong goes to `warn` and its rule is skipped, as in Postfix. */
export class RuleReader {
  readonly #dialect: Dialect;
  readonly #warn: (line: number, text: string) => void;
  readonly #blocks = new IfBlocks<MatchRule, Condition>();

  constructor(dialect: Dialect, warn: (line: number, text: string) => void) {
    this.#dialect = dialect;
    this.#warn = warn;
  }

  get rules(): readonly Rule[] {
    return this.#blocks.rules;
  }

  line(text: string, line: number): void {
    if (!/^[A-Za-z0-9]/.test(text)) return this.#match(text, line);
    if (/^if(?![A-Za-z0-9])/i.test(text)) return this.#if(text.slice(2).trimStart(), line);
    if (/^endif(?![A-Za-z0-9])/i.test(text)) return this.#endif(text.slice(5).trim(), line);
    this.#warn(line, "ignoring unrecognized request");
  }

  finish(): void {
    this.#blocks.finish(this.#warn);
  }

  #match(text: string, line: number): void {
    const pattern = this.#pattern(text, line);
    if (pattern === undefined) return;
    const { matcher, negative, rest, written, parse } = pattern;
    if (rest === "") this.#warn(line, "no replacement text: using empty string");
    const replacement = parseReplacement(rest, negative ? Infinity : matcher.groups);
    if ("problems" in replacement) {
      return replacement.problems.forEach((problem) => this.#warn(line, problem));
    }
    if (negative && namesGroups(replacement)) {
      return this.#warn(line, "$number found in negative match replacement text: skipping this rule");
    }
    if (this.#dialect.noSubstitution === true && namesGroups(replacement)) {
      return this.#warn(line, "regular expression substitution is not allowed: skipping this rule");
    }
    const samples = () => negative ? [] : guesses(parse);
    this.#blocks.match({ matcher, negative, replacement, line, pattern: written, samples });
  }

  #if(text: string, line: number): void {
    const pattern = this.#pattern(text, line);
    if (pattern === undefined) return;
    const { matcher, negative, rest, parse } = pattern;
    if (rest !== "") {
      this.#warn(line, `ignoring extra text after IF statement: "${rest}"`);
      this.#warn(line, "do not prepend whitespace to statements between IF and ENDIF");
    }
    const samples = () => negative ? [] : guesses(parse);
    this.#blocks.begin({ matcher, negative, line, samples }, line);
  }

  #endif(rest: string, line: number): void {
    if (!this.#blocks.end()) return this.#warn(line, "ignoring ENDIF without matching IF");
    if (rest !== "") this.#warn(line, "ignoring extra text after ENDIF");
  }

  /** `[!]/pattern/flags rest`; undefined when the rule is skipped. */
  #pattern(text: string, line: number): Pattern | undefined {
    const sign = /^[!\s]*/.exec(text)![0];
    const negative = sign.replace(/[^!]/g, "").length % 2 === 1;
    const delimiter = text[sign.length];
    const skip = (why: string) => void this.#warn(line, why);
    if (delimiter === undefined) return skip("no regexp: skipping this rule");
    const end = endOfPattern(text, sign.length + 1, delimiter);
    if (end < 0) return skip(`no closing regexp delimiter "${delimiter}": ${this.#dialect.unclosed}`);
    const letters = /^\S*/.exec(text.slice(end + 1))![0];
    const flags = { ...this.#dialect.flags };
    for (const letter of letters) {
      if (!Object.hasOwn(flags, letter)) return skip(`unknown regexp option "${letter}": skipping this rule`);
      flags[letter] = !flags[letter];
    }
    const matcher = this.#dialect.compile(text.slice(sign.length + 1, end), flags);
    if (typeof matcher === "string") return skip(matcher);
    const source = text.slice(sign.length + 1, end);
    return {
      matcher,
      negative,
      rest: text.slice(end + 1 + letters.length).trim(),
      written: text.slice(0, end + 1 + letters.length),
      parse: () => this.#dialect.parse(source, flags),
    };
  }
}

function guesses(parse: () => ParsedRegex): readonly string[] {
  try {
    return samplesOf(parse());
  } catch (error) {
    if (error instanceof RegexSyntaxError) return []; // libpcre2 knows more than our own reading
    throw error;
  }
}

/** The closing delimiter; a backslash takes the next character along. */
function endOfPattern(text: string, start: number, delimiter: string): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === delimiter) return at;
  }
  return -1;
}
