import { balancedLength, splitListRaw } from "../../config/syntax/list.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { resolvePath, type TableContext } from "../context.ts";
import { fileBacked } from "../text/file_backed.ts";
import { insideBraces } from "../plain/inline.ts";
import { type Dialect, type Rule, RuleReader } from "./pattern_rules.ts";
import { MatchLimitFault } from "../../regex/backtrack.ts";
import { readOwnedTableFile } from "../text/table_file.ts";
import { logicalLines } from "../text/source_lines.ts";
import { ABSENT, type Answer, type Possible, type Table } from "../table.ts";
import { unavailable, unavailableNow } from "../unavailable.ts";

type Rules = readonly Rule[] | { readonly trouble: Answer };

/** Subjects and patterns are matched as bytes, one a character, as Postfix does. */
const ASCII = /^[\x00-\x7f]*$/;
const toBytes = (text: string) => ASCII.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
const fromBytes = (bytes: string) =>
  ASCII.test(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8");

/** The lines of `{ {rule}, {rule} }` written into main.cf; or what is wrong with it; undefined when it is a file's name. */
export function inlineLines(name: string): readonly string[] | string | undefined {
  if (!name.startsWith("{")) return undefined;
  const inner = insideBraces(name);
  if (inner === undefined) {
    return `${balancedLength(name) === 0 ? "missing '}'" : "syntax error after '}'"} in "${name}"`;
  }
  const lines: string[] = [];
  for (const item of splitListRaw(inner)) {
    const line = insideBraces(item);
    if (line === undefined) {
      return `${item.startsWith("{") ? "syntax error after '}'" : "no '{' at start of text"} in "${item}"`;
    }
    lines.push(line.trim());
  }
  return lines;
}

/** Opens a table of rules that are tried one after the other: `regexp:`, `pcre:`. */
export function openPatternTable(name: string, spec: string, context: TableContext, dialect: Dialect): Table {
  const { encoding } = context;
  const inline = inlineLines(name);
  if (typeof inline === "string") return unavailable(spec, `${dialect.name} map: ${inline}`, false);
  const decode = encoding === "latin1" ? (bytes: string) => bytes : fromBytes;
  const encode = encoding === "latin1" ? (text: string) => text : toBytes;
  const where = inline === undefined ? resolvePath(name, context) : name;
  const warn = (line: number, text: string) =>
    context.warn(`${dialect.name} map ${where}, line ${line}: ${text}`);
  const judge = new Judge(warn);
  let current: () => Rules;
  let owner: number | undefined = 0;
  if (inline !== undefined) {
    const rules = readLines(inline, warn, dialect, encode);
    current = () => rules;
  } else {
    const path = resolvePath(name, context);
    const content = fileBacked<Rules>({
      path,
      clock: context.clock,
      load: () => {
        const read = readOwnedTableFile(path, context);
        owner = read.owner;
        return readRules(read.bytes, path, context, dialect);
      },
      failed: (error) => {
        owner = undefined;
        return { trouble: unavailableNow(spec, `open ${path}: ${systemErrorText(error)}`) };
      },
    });
    current = () => content.current();
    current(); // the operator hears of bad rules at the start
  }
  return {
    spec,
    pattern: true,
    lookup: (key) => {
      const rules = current();
      return "trouble" in rules ? rules.trouble : firstMatch(rules, encode(key), judge, decode);
    },
    possible: () => {
      const rules = current();
      return "trouble" in rules ? undefined : possibleOf(rules, decode);
    },
    owner: () => owner,
    close: () => {},
  };
}

function readLines(
  lines: readonly string[],
  warn: (line: number, text: string) => void,
  dialect: Dialect,
  encode: (text: string) => string,
): Rules {
  const reader = new RuleReader(dialect, warn);
  lines.forEach((line, at) => reader.line(encode(line), at + 1));
  reader.finish();
  return reader.rules;
}

function readRules(bytes: Buffer, path: string, { warn }: TableContext, dialect: Dialect): Rules {
  const reader = new RuleReader(
    dialect,
    (line, text) => warn(`${dialect.name} map ${path}, line ${line}: ${text}`),
  );
  logicalLines(
    bytes,
    (line, start, end, number) => {
      if (start < end) reader.line(line.toString("latin1", start, end).trimEnd(), number);
    },
    (text) => warn(`${path}: ${text}`),
  );
  reader.finish();
  return reader.rules;
}

/** A rule inside IF counts as if the condition held: more than can happen, never less. */
function* possibleOf(rules: readonly Rule[], decode: (bytes: string) => string): Iterable<Possible> {
  const conditions: IfRule[] = [];
  for (const rule of rules) {
    if (rule.is === "if") conditions.push(rule);
    else if (rule.is === "endif") conditions.pop();
    else yield possibleBy(rule, conditions, decode);
  }
}

function possibleBy(
  rule: MatchRule,
  conditions: readonly IfRule[],
  decode: (bytes: string) => string,
): Possible {
  const { replacement, line } = rule;
  const samples = [rule, ...conditions].flatMap((each) => each.samples());
  return {
    is: "pattern",
    pattern: decode(rule.pattern),
    samples: [...new Set(samples)].map(decode),
    varies: replacement.some((piece) => typeof piece === "number"),
    inside: conditions.length > 0,
    value: decode(replacement.filter((piece) => typeof piece === "string").join("")),
    line,
  };
}

/**
 * Rules applied to texts. Where a pattern takes too much on a text the rule does not apply, as in Postfix; it is named once.
 */
class Judge {
  readonly #warn: (line: number, why: string) => void;
  readonly #named = new WeakSet<Rule>();

  constructor(warn: (line: number, why: string) => void) {
    this.#warn = warn;
  }

  holds(rule: IfRule, subject: string): boolean {
    try {
      return rule.matcher.test(subject) !== rule.negative;
    } catch (error) {
      this.#note(rule, error);
      return false;
    }
  }

  result(rule: MatchRule, subject: string): string | undefined {
    try {
      return rule.negative ? negativeValue(rule, subject) : valueOf(rule, subject);
    } catch (error) {
      this.#note(rule, error);
      return undefined;
    }
  }

  #note(rule: IfRule | MatchRule, error: unknown): void {
    if (!(error instanceof MatchLimitFault)) throw error;
    if (!this.#named.has(rule)) this.#warn(rule.line, error.message);
    this.#named.add(rule);
  }
}

function firstMatch(
  rules: readonly Rule[],
  subject: string,
  judge: Judge,
  decode: (bytes: string) => string,
): Answer {
  for (let at = 0; at < rules.length; at++) {
    const rule = rules[at]!;
    if (rule.is === "endif") continue;
    if (rule.is === "if") {
      if (!judge.holds(rule, subject)) at = rule.endif;
      continue;
    }
    const value = judge.result(rule, subject);
    if (value !== undefined) return { is: "found", value: decode(value), line: rule.line };
  }
  return ABSENT;
}

type MatchRule = Rule & { readonly is: "match" };
type IfRule = Rule & { readonly is: "if" };

function negativeValue({ matcher, replacement }: MatchRule, subject: string): string | undefined {
  return matcher.test(subject) ? undefined : replacement.join("");
}

/** The result with its groups filled in; only a text that names groups needs them. */
function valueOf({ matcher, replacement }: MatchRule, subject: string): string | undefined {
  if (!replacement.some((piece) => typeof piece === "number")) {
    return matcher.test(subject) ? replacement.join("") : undefined;
  }
  const groups = matcher.groupsOf(subject);
  return groups &&
    replacement.map((piece) => typeof piece === "number" ? groups[piece] ?? "" : piece).join("");
}
