import { FIELD_COUNT } from "../../config/syntax/master_fields.ts";
import { UNEXPANDED } from "../../config/scope.ts";
import { fieldNumber } from "./_edit_master.ts";
import { fatal } from "./_fault.ts";
import { type MasterLine, matchesService, type ServicePattern, servicePattern } from "./_master.ts";
import type { PostconfOptions } from "./_options.ts";
import { entryLine, fieldLine, pairLine, type Style } from "./_print.ts";
import type { ParameterTable } from "./_table.ts";

/** Where listings go. */
export interface Output {
  write(text: string): void;
  warn(text: string): void;
}

/** How the options want lines shown. */
function styleOf(options: PostconfOptions, table: ParameterTable): Style {
  const has = (letter: string) => options.given.has(letter);
  return {
    fold: has("f"),
    hideNames: has("h"),
    hideValues: has("H"),
    expand: has("x") ? (value, entry) => table.expand(value, entry) : undefined,
  };
}

/** Lists main.cf parameters. */
export function showParameters(options: PostconfOptions, table: ParameterTable, output: Output): void {
  const style = styleOf(options, table);
  const expands = options.given.has("x");
  const show = (name: string) => {
    const raw = table.lookup(name, undefined, options.given.has("n"));
    if (raw === undefined) return;
    const value = () => expands && !UNEXPANDED.has(name) ? table.expand(raw) : raw;
    output.write(pairLine(name, value, style));
  };
  if (options.names.length === 0) table.names(options.classes).forEach(show);
  for (const name of options.names) {
    if (table.has(name)) show(name);
    else output.warn(`${name}: unknown parameter`);
  }
}

const NEEDED = {
  M: "-M option requires service_name[/type]",
  F: "-F option requires service_name[/type[/field]]",
  P: "-P option requires service_name[/type[/parameter]]",
} as const;

function patternsOf(kind: keyof typeof NEEDED, names: readonly string[]): ServicePattern[] {
  return names.map((name) => servicePattern(name, name, 1, kind === "M" ? 2 : 3) ?? fatal(NEEDED[kind]));
}

/** Shows each entry once for each pattern that it matches, or once when there is none. */
function forMatches(
  entries: readonly MasterLine[],
  patterns: readonly ServicePattern[],
  show: (entry: MasterLine, pattern: ServicePattern | undefined) => boolean,
  output: Output,
): void {
  for (const entry of entries) {
    if (patterns.length === 0) show(entry, undefined);
    for (const pattern of patterns) {
      if (matchesService(pattern, entry.words[0]!, entry.words[1]!) && show(entry, pattern)) {
        pattern.matches++;
      }
    }
  }
  for (const { matches, raw } of patterns) if (matches === 0) output.warn(`unmatched request: "${raw}"`);
}

/** Lists master.cf: entries, fields or `-o` settings. */
export function showMaster(
  options: PostconfOptions,
  entries: readonly MasterLine[],
  table: ParameterTable,
  output: Output,
): void {
  const style = styleOf(options, table);
  const kind = options.given.has("F") ? "F" : options.given.has("P") ? "P" : "M";
  const patterns = patternsOf(kind, options.names);
  if (kind === "M") {
    forMatches(entries, patterns, (entry) => (output.write(entryLine(entry, style)), true), output);
  } else if (kind === "F") {
    for (const pattern of patterns) fieldNumber(pattern.parts[2]!);
    forMatches(entries, patterns, (entry, pattern) => showFields(entry, pattern, style, output), output);
  } else {
    forMatches(entries, patterns, (entry, pattern) => showOptions(entry, pattern, style, output), output);
  }
}

function showFields(
  entry: MasterLine,
  pattern: ServicePattern | undefined,
  style: Style,
  output: Output,
): boolean {
  const only = fieldNumber(pattern?.parts[2] ?? "*");
  const fields = only >= 0 ? [only] : Array.from({ length: FIELD_COUNT }, (_, at) => at);
  for (const field of fields) output.write(fieldLine(entry, field, style));
  return true;
}

function showOptions(
  entry: MasterLine,
  pattern: ServicePattern | undefined,
  style: Style,
  output: Output,
): boolean {
  const { parameters, place } = entry;
  if (parameters === undefined) return false;
  const wanted = pattern?.parts[2] ?? "*";
  if (wanted !== "*" && !parameters.has(wanted)) return false;
  const names = wanted === "*" ? [...parameters.keys()].sort((a, b) => a < b ? -1 : 1) : [wanted];
  for (const name of names) {
    const raw = parameters.get(name)!;
    output.write(pairLine(`${place}/${name}`, () => style.expand?.(raw, entry) ?? raw, style));
  }
  return true;
}
