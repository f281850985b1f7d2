import { printDiagnostic } from "../config/diagnostic.ts";
import { loadConfiguration } from "../config/load.ts";
import { checkConfigured, type Finding } from "../master/check.ts";
import { environmentVariables, writeErr, writeOut } from "../platform/process.ts";
import type { CommandContext } from "./command.ts";
import { directoryOf } from "./_service_control.ts";

/**
 * `mta check [--json]`: everything that is wrong or odd in main.cf, master.cf, the tables they name and the restrictions. Exit
 * status 1 when the service would not start (postfix(1)).
 */
export function check(context: CommandContext): number {
  const findings = findingsIn(directoryOf(context));
  const fatal = findings.some(({ level }) => level === "fatal");
  if (context.args.includes("--json")) {
    writeOut(`${JSON.stringify({ ok: !fatal, findings })}\n`);
  } else {
    for (const { level, text } of findings) writeErr(`postfix: ${level}: ${text}\n`);
  }
  return fatal ? 1 : 0;
}

function findingsIn(directory: string): Finding[] {
  const loaded = loadConfiguration({ directory, environment: environmentVariables() });
  const diagnostics = [...(loaded.is === "bad" ? loaded.errors : []), ...loaded.warnings];
  const findings = diagnostics.map((each): Finding => ({ level: each.level, text: printDiagnostic(each) }));
  if (loaded.is === "bad") return findings;
  try {
    const known = new Set(findings.map(({ text }) => text));
    return [...findings, ...checkConfigured(loaded.configuration).filter(({ text }) => !known.has(text))];
  } catch (error) {
    return [...findings, { level: "fatal", text: (error as Error).message }];
  }
}
