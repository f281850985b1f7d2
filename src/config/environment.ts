import { trimAscii } from "./syntax/logical_lines.ts";
import type { Diagnostic } from "./syntax/diagnostic.ts";
import { type Setting, UNEXPANDED } from "./scope.ts";
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
    if (!text.startsWith(FILE)) {
      settings.set(name, { name, value: trimAscii(text), file });
      continue;
    }
    const path = text.slice(FILE.length);
    const read = world.readText(path);
    if ("error" in read) {
      diagnostics.push(unreadable(name, variable, path, read.error));
      continue;
    }
    settings.set(name, { name, value: literal(name, read.text.replace(/\r?\n$/, "")), file, secret: true });
  }
  return { settings, diagnostics };
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
