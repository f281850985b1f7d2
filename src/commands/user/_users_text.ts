// The text of a users file: `name` blanks `password in stored form`, a line each. Everything that is not changed stays as it is.

const NEWLINE = 0x0a;

/** A logical line with the comments and blank lines before it, or what is left at the end. */
interface Entry {
  /** The name, in lower case; undefined where there is none. */
  readonly name: string | undefined;
  /** First line of the entry itself. */
  readonly start: number;
  readonly end: number;
}

function isContinuation(line: string): boolean {
  return /^[ \t]+[^\s#]/.test(line);
}

/** The entries by their place in the lines. */
function entriesIn(lines: readonly string[]): Entry[] {
  const entries: Entry[] = [];
  for (const [at, line] of lines.entries()) {
    const before = entries.at(-1);
    if (/^\s*(#|$)/.test(line)) continue;
    if (isContinuation(line) && before !== undefined) {
      entries[entries.length - 1] = { ...before, end: at + 1 };
    } else entries.push({ name: nameOn(line), start: at, end: at + 1 });
  }
  return entries;
}

/** The first word, as names are compared. */
function nameOn(line: string): string | undefined {
  const word = /^\S+/.exec(line)?.[0];
  return word === undefined ? undefined : Buffer.from(word, "latin1").toString("utf8").toLowerCase();
}

/** The lines of a text, each without its newline. */
function linesOf(text: Buffer): string[] {
  const whole = text.length > 0 && text.at(-1) !== NEWLINE ? Buffer.concat([text, Buffer.of(NEWLINE)]) : text;
  return whole.toString("latin1").split("\n").slice(0, -1);
}

/** Whether a name, in lower case, stands in a text. */
export function hasUser(text: Buffer, name: string): boolean {
  return entriesIn(linesOf(text)).some((entry) => entry.name === name);
}

/** Gives a name another value, at the end when it is not there yet; `undefined` takes it out. */
export function withUser(text: Buffer, name: string, value: string | undefined): Buffer {
  const lines = linesOf(text);
  const entry = entriesIn(lines).find((each) => each.name === name);
  const line = value === undefined ? [] : [`${latin1(name)}\t${latin1(value)}`];
  lines.splice(entry?.start ?? lines.length, entry === undefined ? 0 : entry.end - entry.start, ...line);
  return Buffer.from(lines.map((each) => `${each}\n`).join(""), "latin1");
}

/** Bytes, one a character: a file may hold what is no UTF-8, and keeps it. */
function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}
