/** A logical line: continuations joined, comments and blank lines gone. */
export interface LogicalLine {
  readonly text: string;
  /** First physical line, from 1. */
  readonly line: number;
}

const IGNORED = /^[ \t\v\f\r]*(?:#|$)/;
const INDENTED = /^[ \t\v\f\r]/;

/**
 * The logical lines of main.cf and master.cf (postconf(5)): a line that starts with white space continues the one before,
 * whatever comments and blank lines stand between; its leading white space is kept. A first line that is indented comes
 * back as it is, for the reader to complain about.
 */
export function logicalLines(text: string): LogicalLine[] {
  const lines: { text: string; line: number }[] = [];
  let number = 0;
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end);
    start = end + 1;
    number++;
    if (IGNORED.test(line)) continue;
    const last = lines[lines.length - 1];
    if (INDENTED.test(line) && last !== undefined) last.text += line;
    else lines.push({ text: line, line: number });
  }
  return lines;
}

/** Whether the logical line is the indented first one, which belongs to nothing. */
export function isOrphan(line: LogicalLine): boolean {
  return INDENTED.test(line.text);
}

/** Postfix's words for an orphan: its first 30 characters. */
export function orphanText(path: string, line: LogicalLine): string {
  const shown = line.text.slice(0, 30) + (line.text.length > 30 ? "..." : "");
  return `${path}: logical line must not start with whitespace: "${shown}"`;
}

const BLANK = " \\t\\n\\v\\f\\r";
const NAME_VALUE = new RegExp(`^[${BLANK}]*([^=${BLANK}]+)[${BLANK}]*=([\\s\\S]*)$`);
const NO_NAME = new RegExp(`^[${BLANK}]*(?:=|$)`);
const LEADING = new RegExp(`^[${BLANK}]+`);
const TRAILING = new RegExp(`[${BLANK}]+$`);

/** ASCII white space off both ends, as C's isspace knows it; other Unicode blanks belong to the value. */
export function trimAscii(text: string): string {
  return text.replace(LEADING, "").replace(TRAILING, "");
}

/** `name = value` taken apart; a string says what is wrong, in Postfix's words. */
export function splitNameValue(text: string): { readonly name: string; readonly value: string } | string {
  if (NO_NAME.test(text)) return "missing attribute name";
  const match = NAME_VALUE.exec(text);
  if (match === null) return "missing '=' after attribute name";
  return { name: match[1]!, value: trimAscii(match[2]!) };
}
