import { splitNameValue } from "../../config/syntax/logical_lines.ts";
import { FIELD_COUNT, isOption, normalizeWords, splitWords } from "../../config/syntax/master_fields.ts";
import { editFile, type EditMode, isContinuation, isIgnored, joined, physicalLines } from "./_edit.ts";
import { fatal } from "./_fault.ts";
import {
  checkFields,
  FIELD_NAMES,
  type MasterLine,
  matchesService,
  parseMasterLine,
  type ServicePattern,
  servicePattern,
} from "./_master.ts";
import { entryLine } from "./_print.ts";

/** What part of an entry is changed: all of it (-M), a field (-F), an `-o` (-P). */
export type MasterPart = "M" | "F" | "P";

interface Request {
  readonly pattern: ServicePattern;
  /** Field number or parameter name. */
  readonly field: number;
  readonly parameter: string;
  readonly value: string;
}

const OPTIONS = "-Me, -Fe, -Pe, -X, or -#";
const hasBlank = (text: string) => /[ \t\r\n]/.test(text);

function splitRequest(mode: EditMode, raw: string): { name: string; value: string } {
  if (raw.includes("\n")) fatal(`${OPTIONS} accept no multi-line input`);
  const text = raw.replace(/^[ \t\v\f\r]+/, "");
  if (text.startsWith("#")) fatal(`${OPTIONS} accept no comment input`);
  if (mode === "set") {
    const parsed = splitNameValue(text);
    return typeof parsed === "string" ? fatal(`${parsed}: "${raw}"`) : parsed;
  }
  if (text.includes("=")) fatal("-X or -# requires names without value");
  return { name: text, value: "" };
}

function readRequest(part: MasterPart, mode: EditMode, raw: string): Request {
  const { name, value } = splitRequest(mode, raw);
  const parts = part === "M" ? 2 : 3;
  const pattern = servicePattern(raw, name, parts, parts);
  if (pattern === undefined) return fatal(PATTERN_NEEDED[part]);
  const last = pattern.parts[2] ?? "";
  const field = part === "F" ? fieldNumber(last) : -1;
  if (part === "F" && field < 0) fatal("-Fe does not accept wild-card field name");
  if (part === "F" && mode === "set" && field < FIELD_COUNT - 1 && hasBlank(value)) {
    fatal("-Fe does not accept whitespace in non-command field");
  }
  if (part === "P" && last === "*") fatal("-Pe does not accept wild-card parameter name");
  if (part === "P" && mode === "set" && hasBlank(value)) {
    fatal("-Pe does not accept whitespace in parameter value");
  }
  return { pattern, field, parameter: last, value };
}

const PATTERN_NEEDED: Readonly<Record<MasterPart, string>> = {
  M: "-Me, -MX or -M# requires service_name/type",
  F: "-Fe or -FX requires service_name/type/field_name",
  P: "-Pe or -PX requires service_name/type/parameter",
};

/** Number of a field by its name; -1 for `*`. */
export function fieldNumber(name: string): number {
  if (name === "*") return -1;
  const at = FIELD_NAMES.indexOf(name);
  return at < 0 ? fatal(`invalid service attribute name: "${name}"`) : at;
}

function editField(entry: MasterLine, field: number, value: string, warn: (text: string) => void): void {
  if (field === FIELD_COUNT - 1) {
    const { words, warnings } = normalizeWords(
      [...entry.words.slice(0, field), ...splitWords(value)],
      "postconf",
    );
    for (const warning of warnings) warn(`master.cf: ${warning}`);
    entry.words = [...words];
  } else {
    entry.words[field] = value;
  }
  checkFields(entry.words, value);
}

/** Sets or removes an `-o`; a new one goes after the others. */
function editParameter(entry: MasterLine, mode: EditMode, name: string, value: string): void {
  const { words } = entry;
  let found = false;
  let at = FIELD_COUNT;
  for (; at < words.length && isOption(words[at]!); at++) {
    if (words[at]![1] !== "o" || at + 1 >= words.length) continue;
    const isIt = words[at] === "-o" && words[at + 1]!.startsWith(`${name}=`);
    if (isIt && mode === "set") words[at + 1] = `${name}=${value}`;
    found ||= isIt;
    if (isIt && mode === "remove") words.splice(at--, 2);
    else at++;
  }
  if (mode === "set" && !found) words.splice(at, 0, "-o", `${name}=${value}`);
}

/** An entry's lines. */
interface Block {
  readonly first: string;
  readonly line: number;
  /** All of them in order, comments and blank lines up to the next entry included. */
  readonly all: string[];
}

/** Takes the file apart into entries, and lines before the first one. */
function blocksOf(text: string): (Block | string)[] {
  const blocks: (Block | string)[] = [];
  let block: Block | undefined;
  physicalLines(text).forEach((line, index) => {
    if (!isIgnored(line) && !isContinuation(line)) {
      block = { first: line, line: index + 1, all: [line] };
      blocks.push(block);
    } else if (block === undefined) blocks.push(line);
    else block.all.push(line);
  });
  return blocks;
}

/** Comments inside an entry, and those after its last line. */
function commentsOf(
  { all }: Block,
): { readonly inside: readonly string[]; readonly after: readonly string[] } {
  const end = all.findLastIndex((line) => !isIgnored(line)) + 1;
  return { inside: all.slice(0, end).filter(isIgnored), after: all.slice(end) };
}

function serviceOf(block: Block, path: string): [name: string, type: string] {
  const [name, type] = block.first.split(/[ \t\r\n]+/).filter((word) => word !== "");
  const place = `file ${path}: line ${block.line}`;
  if (name === undefined || type === undefined) {
    return fatal(`${place}: specify service name and type on the same line`);
  }
  if (name.includes("=")) {
    fatal(`${place}: service name syntax "${name}" is unsupported with ${OPTIONS}`);
  }
  if (/[=/]/.test(type)) fatal(`${place}: service type syntax "${type}" is unsupported with ${OPTIONS}`);
  return [name, type];
}

const FOLDED = { fold: true, hideNames: false, hideValues: false, expand: undefined };

/**
 * Changes master.cf (postconf(1), -M, -F, -P with -e, -X, -#). Unlike Postfix's own, -F and -P leave the comments between
 * two entries where they are: there they would end up before the edited entry, away from what they are about.
 */
export class MasterEditor {
  readonly #path: string;
  readonly #part: MasterPart;
  readonly #mode: EditMode;
  readonly #requests: readonly Request[];
  readonly #warn: (text: string) => void;

  constructor(
    options: { readonly path: string; readonly part: MasterPart; readonly mode: EditMode },
    args: readonly string[],
    warn: (text: string) => void,
  ) {
    this.#path = options.path;
    this.#part = options.part;
    this.#mode = options.mode;
    this.#warn = warn;
    this.#requests = args.map((arg) => readRequest(options.part, options.mode, arg));
  }

  run(): void {
    editFile(this.#path, (text) => {
      const old = blocksOf(text).flatMap((block) =>
        typeof block === "string" ? [block] : this.#edited(block)
      );
      return joined(old, this.#unmatched());
    });
  }

  #parse(text: string, raw: string): MasterLine {
    const entry = parseMasterLine(text, this.#warn);
    return typeof entry === "string" ? fatal(`${entry}: "${raw}"`) : entry;
  }

  /** The lines that take a block's place. */
  #edited(block: Block): string[] {
    const [name, type] = serviceOf(block, this.#path);
    let entry: MasterLine | undefined;
    let matched = false;
    for (const request of this.#requests) {
      const replacement = this.#part === "M" && this.#mode === "set"
        ? this.#parse(request.value, request.pattern.raw)
        : undefined;
      const isIt = matchesService(request.pattern, name, type) ||
        (replacement !== undefined && replacement.words[0] === name && replacement.words[1] === type);
      if (!isIt) continue;
      matched = true;
      request.pattern.matches++;
      if (replacement !== undefined) {
        if (request.pattern.matches === 1) entry = replacement;
      } else if (this.#changesInPlace()) {
        entry ??= this.#whole(block);
        this.#change(entry, request);
      }
    }
    if (!matched) return block.all;
    const { inside, after } = commentsOf(block);
    if (entry !== undefined) {
      const line = entryLine(entry, FOLDED);
      return this.#changesInPlace() ? [...inside, line, ...after] : [line, ...inside, ...after];
    }
    return this.#mode === "comment"
      ? block.all.map((line) => isIgnored(line) ? line : `#${line}`)
      : [...inside, ...after];
  }

  /** Whether the entry is parsed, changed and printed again. */
  #changesInPlace(): boolean {
    return this.#part !== "M" && (this.#mode === "set" || this.#part === "P");
  }

  #whole(block: Block): MasterLine {
    const entry = parseMasterLine(block.all.filter((line) => !isIgnored(line)).join(""), this.#warn);
    return typeof entry === "string" ? fatal(`file ${this.#path}: line ${block.line}: ${entry}`) : entry;
  }

  #change(entry: MasterLine, request: Request): void {
    if (this.#part === "F") editField(entry, request.field, request.value, this.#warn);
    else editParameter(entry, this.#mode, request.parameter, request.value);
  }

  /** New entries for requests that met none; complaints for the other kinds. */
  #unmatched(): string[] {
    return this.#requests.filter(({ pattern }) => pattern.matches === 0).flatMap((request) => {
      const { raw } = request.pattern;
      if (this.#part === "M" && this.#mode === "set") {
        return [entryLine(this.#parse(request.value, raw), FOLDED)];
      }
      if (this.#part !== "M") this.#warn(`unmatched service_name/type: "${raw}"`);
      return [];
    });
  }
}
