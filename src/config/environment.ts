import { trimAscii } from "./syntax/logical_lines.ts";
import type { Diagnostic } from "./syntax/diagnostic.ts";
import { rowOf, type Setting, UNEXPANDED } from "./scope.ts";
import type { World } from "./world.ts";

/** Environment variables that begin with this override main.cf. */
const ENVIRONMENT_PREFIX = "MTA_";
const FILE = "file:";

/** What the environment says, and what of it cannot be read. */
export interface EnvironmentSettings {
  readonly settings: ReadonlyMap<string, Setting>;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * `MTA_<parameter>` variables as settings. A value `file:/path` stands for that file's text without the newline at its
 * end: a secret, so it is taken literally, `$` and all.
 */
export function environmentSettings(
  environment: Readonly<Record<string, string | undefined>>,
  world: World,
): EnvironmentSettings {
  const settings = new Map<string, Setting>();
  const diagnostics: Diagnostic[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || text === undefined) continue;
    const name = variable.slice(ENVIRONMENT_PREFIX.length);
    const file = `environment ${variable}`;
    const read = textOf(text, world);
    const flaw = "error" in read
      ? unreadable(name, variable, read.path, read.error)
      : CONTROL.test(read.text)
      ? unprintable(name, variable)
      : undefined;
    if (flaw !== undefined && rowOf(name) !== undefined) diagnostics.push(flaw);
    // A variable of another program may begin with our prefix too; the check of names says so where it is nearly ours.
    if (flaw !== undefined || "error" in read) settings.set(name, { name, value: "", file });
    else if (!read.secret) settings.set(name, { name, value: read.text, file });
    else settings.set(name, { name, value: literal(name, read.text), file, secret: true });
  }
  return { settings, diagnostics };
}

const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Lines as main.cf joins those that continue: a value goes into banners, headers and log lines and is one line itself. */
function joinedLines(text: string): string {
  return text.replace(/[ \t]*\r?\n[ \t]*/g, " ");
}

/** What a variable says, or the file that it names. */
function textOf(
  text: string,
  world: World,
): { readonly text: string; readonly secret: boolean } | { readonly path: string; readonly error: string } {
  if (!text.startsWith(FILE)) return { text: joinedLines(trimAscii(text)), secret: false };
  const path = text.slice(FILE.length);
  const read = world.readText(path);
  if ("error" in read) return { path, error: read.error };
  return { text: joinedLines(read.text.replace(/\r?\n$/, "")), secret: true };
}

/** Written so that expansion gives the text back. */
function literal(name: string, text: string): string {
  return UNEXPANDED.has(name) ? text : text.replaceAll("$", "$$$$");
}

function unreadable(name: string, variable: string, path: string, error: string): Diagnostic {
  return {
    level: "fatal",
    text: `open ${path}: ${error}`,
    file: `environment ${variable}`,
    parameter: name,
    value: `${FILE}${path}`,
    expected: "the path of a file that can be read",
  };
}

function unprintable(name: string, variable: string): Diagnostic {
  return {
    level: "fatal",
    text: `the value of ${name} has a control character in it`,
    file: `environment ${variable}`,
    parameter: name,
    expected: "printable text; lines are joined as in main.cf",
  };
}
