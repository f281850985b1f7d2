import { parseIp } from "../../address/ip.ts";
import type { Ip } from "../../address/ip.ts";
import { contains, type Network, parseNetwork } from "../../address/network.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { readTableFile } from "../text/table_file.ts";
import { resolvePath, type TableContext } from "../context.ts";
import { type BlockRule, IfBlocks } from "./if_blocks.ts";
import { fileBacked } from "../text/file_backed.ts";
import { inlineLines } from "./pattern_table.ts";
import { logicalLines } from "../text/source_lines.ts";
import { ABSENT, type Answer, type Possible, type Table } from "../table.ts";
import { unavailable, unavailableNow } from "../unavailable.ts";

interface Range {
  readonly network: Network;
  readonly negative: boolean;
}

type CidrRule = BlockRule<Range & { readonly answer: Answer }, Range>;

type Rules = readonly CidrRule[] | { readonly trouble: Answer };

class CidrReader {
  readonly #blocks = new IfBlocks<Range & { readonly answer: Answer }, Range>();
  readonly #warn: (line: number, text: string) => void;

  constructor(warn: (line: number, text: string) => void) {
    this.#warn = warn;
  }

  get rules(): readonly CidrRule[] {
    return this.#blocks.rules;
  }

  line(text: string, line: number): void {
    const condition = /^if(?![A-Za-z0-9:.])\s*(.*)$/is.exec(text);
    if (condition !== null) return this.#if(condition[1]!, line);
    if (/^endif(?![A-Za-z0-9])/i.test(text)) return this.#endif(text.slice(5).trim(), line);
    const { negative, pattern, rest } = splitRule(text);
    const network = networkOf(pattern);
    if ("malformed" in network) return this.#warn(line, `${network.malformed}: skipping this rule`);
    if (rest === "") return this.#warn(line, "no lookup result: skipping this rule");
    this.#blocks.match({ network, negative, answer: { is: "found", value: rest, line } });
  }

  #if(text: string, line: number): void {
    const { negative, pattern, rest } = splitRule(text);
    const network = networkOf(pattern);
    if ("malformed" in network) return this.#warn(line, `${network.malformed}: skipping this rule`);
    if (rest !== "") this.#warn(line, `ignoring extra text after IF statement: "${rest}"`);
    this.#blocks.begin({ network, negative }, line);
  }

  #endif(rest: string, line: number): void {
    if (!this.#blocks.end()) return this.#warn(line, "ENDIF without IF: skipping this rule");
    if (rest !== "") this.#warn(line, `ignoring extra text after ENDIF: "${rest}"`);
  }

  finish(): void {
    this.#blocks.finish(this.#warn);
  }
}

function networkOf(pattern: string): ReturnType<typeof parseNetwork> {
  return pattern === "" ? { malformed: "no address pattern" } : parseNetwork(pattern);
}

function splitRule(
  text: string,
): { readonly negative: boolean; readonly pattern: string; readonly rest: string } {
  const match = /^([!\s]*)(\S*)\s*([^]*)$/.exec(text)!;
  return {
    negative: match[1]!.replace(/\s/g, "").length % 2 === 1,
    pattern: match[2]!,
    rest: match[3]!.trim(),
  };
}

function firstMatch(rules: readonly CidrRule[], ip: Ip): Answer {
  for (let at = 0; at < rules.length; at++) {
    const rule = rules[at]!;
    if (rule.is === "endif") continue;
    // the other family is neither inside nor outside a network
    const applies = rule.network.family === ip.family && contains(rule.network, ip) !== rule.negative;
    if (rule.is === "match" && applies) return rule.answer;
    if (rule.is === "if" && !applies) at = rule.endif;
  }
  return ABSENT;
}

/** A rule inside IF counts as if it stood outside: more than can happen, never less. */
function possibleOf(rule: CidrRule): Possible[] {
  if (rule.is !== "match" || rule.answer.is !== "found") return [];
  const { network, negative, answer: { value, line } } = rule;
  return [{ is: "network", network, negative, value, line }];
}

function read(path: string, context: TableContext): Rules {
  const { warn } = context;
  const bytes = readTableFile(path, context);
  const reader = new CidrReader((line, text) => warn(`cidr map ${path}, line ${line}: ${text}`));
  const each = (line: Buffer, start: number, end: number, number: number) =>
    reader.line(line.toString("utf8", start, end).trimEnd(), number);
  logicalLines(bytes, each, (text) => warn(`${path}: ${text}`));
  reader.finish();
  return reader.rules;
}

/** `cidr:file` or `cidr:{ {rule}, ... }`: networks tried one after the other (cidr_table(5)). */
export function openCidr(name: string, spec: string, context: TableContext): Table {
  const inline = inlineLines(name);
  if (typeof inline === "string") return unavailable(spec, `cidr map: ${inline}`, false);
  let current: () => Rules;
  if (inline === undefined) {
    const path = resolvePath(name, context);
    const content = fileBacked<Rules>({
      path,
      clock: context.clock,
      load: () => read(path, context),
      failed: (error) => ({ trouble: unavailableNow(spec, `open ${path}: ${systemErrorText(error)}`) }),
    });
    current = () => content.current();
    current();
  } else {
    const reader = new CidrReader((line, text) => context.warn(`cidr map ${name}, line ${line}: ${text}`));
    inline.forEach((line, at) => reader.line(line, at + 1));
    reader.finish();
    current = () => reader.rules;
  }
  return {
    spec,
    pattern: true,
    lookup: (key) => {
      const rules = current();
      if ("trouble" in rules) return rules.trouble;
      const ip = parseIp(key);
      return ip === undefined ? ABSENT : firstMatch(rules, ip);
    },
    possible: () => {
      const rules = current();
      return "trouble" in rules ? undefined : rules.flatMap(possibleOf);
    },
    close: () => {},
  };
}
