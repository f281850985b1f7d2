import { splitNameValue } from "../../config/syntax/logical_lines.ts";
import { replaceFile } from "../../platform/file/small_files.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { fatal } from "./_fault.ts";

/** How an entry is changed: set (`-e`), commented out (`-#`), removed (`-X`). */
export type EditMode = "set" | "comment" | "remove";

const TEMPORARY = ".tmp";
const BLANK = /^[ \t\v\f\r\n]/;
const IGNORED = /^[ \t\v\f\r\n]*(?:#|$)/;

/** Physical lines, each with its newline; the last may lack it. */
export function physicalLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** Whether the line holds no setting: blank or comment. */
export function isIgnored(line: string): boolean {
  return IGNORED.test(line);
}

/** Whether the line continues the one before. */
export function isContinuation(line: string): boolean {
  return BLANK.test(line);
}

/** Edits a file in one stroke: bytes in, bytes out, one character a byte. */
export function editFile(path: string, edit: (text: string) => string): void {
  try {
    replaceFile(path, TEMPORARY, (old) => {
      const text = Buffer.from(old.buffer, old.byteOffset, old.byteLength).toString("latin1");
      return Buffer.from(edit(text), "latin1");
    });
  } catch (error) {
    const { syscall, path: at } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    const what = at?.endsWith(TEMPORARY) === true ? `${path}${TEMPORARY}` : `${path} for reading`;
    fatal(`open ${what}: ${systemErrorText(error)}`);
  }
}

/** A change that is asked for. */
interface Change {
  readonly value: string;
  found: number;
}

function readChanges(
  mode: EditMode,
  args: readonly string[],
  warn: (text: string) => void,
): Map<string, Change> {
  const changes = new Map<string, Change>();
  for (const arg of args) {
    const { name, value } = readChange(mode, arg);
    const earlier = changes.get(name);
    if (earlier !== undefined) {
      warn(`ignoring earlier request: '${name} = ${mode === "set" ? earlier.value : "(null)"}'`);
    }
    changes.delete(name);
    changes.set(name, { value, found: 0 });
  }
  return changes;
}

function readChange(mode: EditMode, arg: string): { name: string; value: string } {
  if (arg.includes("\n")) fatal("-e, -X, or -# accepts no multi-line input");
  const text = arg.replace(/^[ \t\v\f\r]+/, "");
  if (text.startsWith("#")) fatal("-e, -X, or -# accepts no comment input");
  if (mode === "set") {
    const parsed = splitNameValue(text);
    return typeof parsed === "string" ? fatal(`${parsed}: "${text}"`) : parsed;
  }
  if (text === "") fatal("-X or -# requires non-blank parameter names");
  if (text.includes("=")) fatal("-X or -# requires parameter names without value");
  return { name: text, value: "" };
}

/**
 * Changes main.cf (postconf(1), -e, -X, -#): a changed entry becomes one line and its continuation lines go, comments and
 * all other lines stay where they are, new names go to the end in the order of the command line.
 */
export function editMain(
  path: string,
  mode: EditMode,
  args: readonly string[],
  warn: (text: string) => void,
): void {
  const changes = readChanges(mode, args, warn);
  editFile(path, (text) => {
    const out: string[] = [];
    let current: Change | undefined;
    for (const line of physicalLines(text)) {
      if (isIgnored(line)) {
        out.push(line);
        continue;
      }
      if (!isContinuation(line)) {
        const name = /^[^ \t\v\f\r\n=]*/.exec(line)![0];
        current = changes.get(name);
        if (current !== undefined && current.found++ === 1) warn(`${path}: multiple entries for "${name}"`);
        if (current !== undefined && mode === "set") out.push(`${name} = ${current.value}\n`);
      }
      if (current === undefined) out.push(line);
      else if (mode === "comment") out.push(`#${line}`);
    }
    const added = mode !== "set" ? [] : [...changes].filter(([, change]) => change.found === 0)
      .map(([name, change]) => `${name} = ${change.value}\n`);
    return joined(out, added);
  });
}

/** Old and new lines; an old last line without newline gets one before anything follows it. */
export function joined(old: readonly string[], added: readonly string[]): string {
  const text = old.join("");
  const gap = added.length > 0 && text !== "" && !text.endsWith("\n") ? "\n" : "";
  return text + gap + added.join("");
}
