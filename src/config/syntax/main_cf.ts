import { isOrphan, logicalLines, orphanText, splitNameValue } from "./logical_lines.ts";
import type { Diagnostic } from "./diagnostic.ts";

/** One `name = value` of main.cf. */
export interface MainEntry {
  readonly name: string;
  /** As written, `$` and all; continuation lines keep their leading blanks inside. */
  readonly value: string;
  readonly line: number;
}

/** main.cf taken apart. */
export interface MainCf {
  readonly path: string;
  /** The entry that holds for each name: the last one. */
  readonly entries: ReadonlyMap<string, MainEntry>;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads main.cf as postconf(5) defines it. Every bad line becomes a diagnostic, and the others still count. */
export function parseMainCf(text: string, path: string): MainCf {
  const entries = new Map<string, MainEntry>();
  const diagnostics: Diagnostic[] = [];
  for (const line of logicalLines(text)) {
    if (isOrphan(line)) {
      diagnostics.push({ level: "warning", text: orphanText(path, line), file: path, line: line.line });
      continue;
    }
    const parsed = splitNameValue(line.text);
    if (typeof parsed === "string") {
      diagnostics.push(badLine(path, line.line, parsed, line.text));
      continue;
    }
    const earlier = entries.get(parsed.name);
    if (earlier !== undefined && earlier.value !== parsed.value) {
      diagnostics.push(overridden(path, line.line, earlier));
    }
    entries.delete(parsed.name);
    entries.set(parsed.name, { ...parsed, line: line.line });
  }
  return { path, entries, diagnostics };
}

function badLine(path: string, line: number, why: string, text: string): Diagnostic {
  return {
    level: "fatal",
    text: `${path}, line ${line}: ${why}: "${text}"`,
    file: path,
    line,
    value: text,
    expected: '"name = value", or start the line with a blank if it continues the line above',
  };
}

function overridden(path: string, line: number, earlier: MainEntry): Diagnostic {
  return {
    level: "warning",
    text: `${path}, line ${line}: overriding earlier entry: ${earlier.name}=${earlier.value}`,
    file: path,
    line,
    parameter: earlier.name,
    value: earlier.value,
  };
}
