/** A header field as it stands in a block of text. Offsets are into that text; `end` is past its last line end. */
export interface Field {
  /** Lower case. */
  readonly name: string;
  readonly start: number;
  /** After the colon. */
  readonly value: number;
  readonly end: number;
}

/** What is known of a header block so far. */
export interface HeaderScan {
  readonly fields: readonly Field[];
  /** Where the headers end: at the blank line, or at a line that is no header; undefined while more may come. */
  readonly end: number | undefined;
  /** Where to go on when more text has come. */
  readonly resume: number;
}

const FIELD = /([!-9;-~]+)([ \t]*):[^\n]*\n(?:[ \t][^\n]*\n)*/y;
const MBOX_LINE = /(>?From )[^\n]*\n/y;

/** Name of the pseudo field for an mbox `From ` line at the top. */
export const MBOX_FROM = "\0from";

function fieldAt(text: string, at: number): Field | undefined {
  FIELD.lastIndex = at;
  const match = FIELD.exec(text);
  if (match === null) return undefined;
  const [whole, name, blanks] = match;
  const value = at + name!.length + blanks!.length + 1;
  return { name: name!.toLowerCase(), start: at, value, end: at + whole.length };
}

function mboxLineAt(text: string, at: number): Field | undefined {
  MBOX_LINE.lastIndex = at;
  const match = MBOX_LINE.exec(text);
  return match === null ? undefined : { name: MBOX_FROM, start: at, value: at, end: at + match[0].length };
}

/** Whether the next line, not there yet or not whole yet, may be a continuation of the field. */
function mayGoOn(text: string, { name, end }: Field): boolean {
  if (end === text.length) return true;
  return name !== MBOX_FROM && (text[end] === " " || text[end] === "\t");
}

/**
 * Goes through the fields at the start of a message (RFC 5322 §2.2), from `from` on. A field counts as complete when the first
 * character of the next line is there, or when `whole` says that no more text will come.
 */
export function scanHeader(text: string, from: number, whole: boolean, top: boolean): HeaderScan {
  const fields: Field[] = [];
  let at = from;
  let mbox = top;
  while (at < text.length) {
    const field = (mbox ? mboxLineAt(text, at) : undefined) ?? fieldAt(text, at);
    if (field === undefined) {
      const lineComplete = whole || text.indexOf("\n", at) >= 0;
      return { fields, end: lineComplete ? at : undefined, resume: at };
    }
    if (!whole && mayGoOn(text, field)) return { fields, end: undefined, resume: at };
    mbox &&= field.name === MBOX_FROM;
    fields.push(field);
    at = field.end;
  }
  return { fields, end: whole ? at : undefined, resume: at };
}

const FIELD_NAME = /^[!-9;-~]+[ \t]*:/;

/** Whether a text begins as a header field does. */
export function isField(text: string): boolean {
  return FIELD_NAME.test(text);
}

/**
 * A header field whose text comes from a table or a server, in wire form: line ends in it only fold it (RFC 5322 §2.2.3), so that
 * it neither adds a field nor ends the headers.
 */
export function printField(text: string): string {
  const lines = text.replaceAll("\0", "").split(/[\r\n]+/).filter((line, at) =>
    at === 0 || line.trim() !== ""
  );
  return `${lines.map((line, at) => at === 0 || /^[ \t]/.test(line) ? line : `\t${line}`).join("\r\n")}\r\n`;
}

/** The value of a field without the blanks around it; line ends inside stay. */
export function fieldValue(text: string, field: Field): string {
  return text.slice(field.value, field.end).trim();
}
