import { FIELD_COUNT, isOption } from "../../config/syntax/master_fields.ts";
import { FIELD_NAMES, type MasterLine } from "./_master.ts";

const LINE_LIMIT = 80;
const INDENT = "    ";

/** How lines are shown. */
export interface Style {
  /** `-f`: fold at 80 columns. */
  readonly fold: boolean;
  /** `-h`: values only. */
  readonly hideNames: boolean;
  /** `-H`: names only. */
  readonly hideValues: boolean;
  /** `-x`: expands an `-o` value in the light of its entry; undefined leaves it. */
  readonly expand: ((value: string, entry: MasterLine) => string) | undefined;
}

/** Words with one blank between them, or folded (postconf(1)). */
function wordsLine(text: string, fold: boolean): string {
  let out = "";
  let column = 0;
  for (const word of text.split(/[ \t\r\n]+/).filter((each) => each !== "")) {
    if (column > 0) {
      const breaks = fold && column + word.length >= LINE_LIMIT;
      out += breaks ? `\n${INDENT}` : " ";
      column = breaks ? INDENT.length : column + 1;
    }
    out += word;
    column += word.length;
  }
  return `${out}\n`;
}

/** `name = value`, or what the style leaves of it. */
export function pairLine(name: string, value: () => string, style: Style): string {
  if (style.hideValues) return wordsLine(name, style.fold);
  return wordsLine(style.hideNames ? value() : `${name} = ${value()}`, style.fold);
}

const COLUMNS = [0, 11, 17, 25, 33, 41, 49, 57];
const hasBlank = (text: string) => /[ \t\r\n]/.test(text);

/** A line under construction. */
interface Line {
  text: string;
  column: number;
}

function add(line: Line, text: string): void {
  line.text += text;
  line.column += text.length;
}

/** Program arguments after the fields: options one a line when folded, `{}` round what has blanks. */
function addArguments(line: Line, entry: MasterLine, style: Style, optionExtra: number): void {
  const { words } = entry;
  let inOptions = true;
  for (let at = FIELD_COUNT; at < words.length; at++) {
    const word = words[at]!;
    if (inOptions && !isOption(word)) inOptions = false;
    let value = inOptions && word[1] === "o" ? words[at + 1] : undefined;
    let length = word.length;
    if (value !== undefined) {
      line.column = LINE_LIMIT;
      if (word === "-o" && style.expand !== undefined) value = style.expand(value, entry);
      length += value.length + optionExtra + (hasBlank(value) ? 2 : 0);
    }
    separate(line, length, style.fold);
    add(line, !inOptions && hasBlank(word) ? `{${word}}` : word);
    if (value === undefined) continue;
    add(line, hasBlank(value) ? ` {${value}}` : ` ${value}`);
    at++;
    line.column = LINE_LIMIT;
  }
}

function separate(line: Line, length: number, fold: boolean): void {
  if (line.column <= INDENT.length) return;
  if (!fold || line.column + 1 + length < LINE_LIMIT) return add(line, " ");
  line.text += `\n${INDENT}`;
  line.column = INDENT.length;
}

/** An entry in columns, as `postconf -M` shows it and `-Me` writes it. */
export function entryLine(entry: MasterLine, style: Style): string {
  const line: Line = { text: "", column: 0 };
  for (let field = 0; field < FIELD_COUNT; field++) {
    if (line.column > 0) add(line, " ".repeat(Math.max(1, COLUMNS[field]! - line.column)));
    add(line, entry.words[field]!);
  }
  addArguments(line, entry, style, 3);
  return `${line.text}\n`;
}

/** One field, as `postconf -F` shows it. */
export function fieldLine(entry: MasterLine, field: number, style: Style): string {
  const line: Line = { text: "", column: 0 };
  const value = entry.words[field]!;
  if (!style.hideNames) add(line, `${entry.place}/${FIELD_NAMES[field]}`);
  if (!style.hideNames && !style.hideValues) add(line, " = ");
  if (!style.hideValues) {
    if (line.column > 0 && line.column + value.length > LINE_LIMIT) {
      line.text += `\n${INDENT}`;
      line.column = INDENT.length;
    }
    add(line, value);
    if (field === FIELD_COUNT - 1) addArguments(line, entry, style, 1);
  }
  return `${line.text}\n`;
}
