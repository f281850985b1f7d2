import { isOrphan, logicalLines, orphanText, splitNameValue } from "../../config/syntax/logical_lines.ts";
import { FIELD_COUNT, isOption, normalizeWords, splitWords } from "../../config/syntax/master_fields.ts";
import { fatal } from "./_fault.ts";

/** An entry of master.cf as postconf(1) handles it: words, and the names of its `-o`. */
export interface MasterLine {
  /** `name/type`. */
  readonly place: string;
  words: string[];
  /** `-o` settings; undefined when there are none. */
  parameters: Map<string, string> | undefined;
  /** process_name and service_name. */
  readonly readOnly: ReadonlyMap<string, string>;
  /** Names in `parameters` that are in use. */
  readonly valid: Set<string>;
}

const TYPES = ["unix", "fifo", "inet", "pass", "unix-dgram"];
/** Fields of a master.cf entry, as `postconf -F` names them (postconf(1)). */
export const FIELD_NAMES = [
  ...["service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command"],
];

/** Checks the fields; the message names the raw text. */
export function checkFields(words: readonly string[], raw: string): void {
  const invalid = (field: number) =>
    fatal(`invalid ${FIELD_NAMES[field]} field "${words[field]}" in "${raw}"`.replaceAll("\n", " "));
  if (!TYPES.includes(words[1]!)) invalid(1);
  for (const field of [2, 3, 4]) if (!/^[yn-]$/.test(words[field]!)) invalid(field);
  if (!/^(?:-|\d*)\??$/.test(words[5]!)) invalid(5);
  if (!/^(?:-|\d*)$/.test(words[6]!)) invalid(6);
}

/** One logical line as an entry; a string says what is wrong. */
export function parseMasterLine(raw: string, warn: (text: string) => void): MasterLine | string {
  const split = splitWords(raw);
  if (split.length < FIELD_COUNT) return "bad field count";
  checkFields(split, raw);
  const { words, warnings } = normalizeWords(split, "postconf");
  for (const warning of warnings) warn(`master.cf: ${warning}`);
  const program = words[7]!.slice(words[7]!.lastIndexOf("/") + 1);
  return {
    place: `${words[0]}/${words[1]}`,
    words: [...words],
    parameters: undefined,
    readOnly: new Map([["process_name", program], ["service_name", words[0]!]]),
    valid: new Set(),
  };
}

/** All entries of master.cf. */
export function parseMaster(text: string, path: string, warn: (text: string) => void): MasterLine[] {
  const entries: MasterLine[] = [];
  for (const line of logicalLines(text)) {
    if (isOrphan(line)) {
      warn(orphanText(path, line));
      continue;
    }
    const entry = parseMasterLine(line.text, warn);
    if (typeof entry === "string") fatal(`file ${path}: line ${line.line}: ${entry}`);
    entries.push(entry);
  }
  return entries;
}

/** Fills in `parameters` from the `-o` words. */
export function readParameters(entries: readonly MasterLine[]): void {
  const spaces = new Map<string, Map<string, string>>();
  for (const entry of entries) {
    const { words } = entry;
    for (let at = FIELD_COUNT; at < words.length && isOption(words[at]!); at++) {
      if (words[at]![1] !== "o" || at + 1 >= words.length) continue;
      const pair = words[++at]!;
      const parsed = splitNameValue(pair);
      if (words[at - 1] !== "-o" || typeof parsed === "string") continue;
      const space = spaces.get(entry.place) ?? new Map<string, string>();
      spaces.set(entry.place, space.set(parsed.name, parsed.value));
    }
    entry.parameters = spaces.get(entry.place);
  }
}

/** `service[/type[/field]]` against an entry; missing parts and `*` match all. */
export interface ServicePattern {
  readonly parts: readonly string[];
  readonly raw: string;
  matches: number;
}

/** Reads a pattern; undefined when it has too few or too many parts, or a star inside a word. */
export function servicePattern(
  raw: string,
  text: string,
  least: number,
  most: number,
): ServicePattern | undefined {
  if (text.startsWith("/")) return undefined;
  const parts = text.split("/").filter((part) => part !== "");
  if (parts.length < least || parts.length > most) return undefined;
  if (parts.some((part) => part !== "*" && part.includes("*"))) return undefined;
  while (parts.length < most) parts.push("*");
  return { parts, raw, matches: 0 };
}

/** Whether the pattern is about this service. */
export function matchesService({ parts }: ServicePattern, name: string, type: string): boolean {
  return (parts[0] === "*" || parts[0] === name) && (parts[1] === "*" || parts[1] === type);
}
