import { printDiagnostic } from "../../config/syntax/diagnostic.ts";
import { loadConfiguration } from "../../config/load.ts";
import { checkConfigured } from "../../master/check/check_configured.ts";
import type { Finding } from "../../master/check/finding.ts";
import { witnessesOf } from "../../worker/service_relay_proof.ts";
import { environmentVariables, writeErr, writeOut } from "../../platform/process/this_process.ts";
import type { CommandContext } from "../command.ts";
import { directoryOf } from "../service_control.ts";

/**
 * `mta check [-v] [--json]`: everything that is wrong or odd in main.cf, master.cf, the tables they name and the restrictions,
 * and with -v who may relay because an entry names him. Exit status 1 when the service would not start (postfix(1)).
 */
export async function check(context: CommandContext): Promise<number> {
  const asJson = context.args.includes("--json");
  const all = asJson || context.verbose > 0 || context.args.includes("-v");
  const findings = (await findingsIn(directoryOf(context))).filter(({ level }) => all || level !== "info");
  const fatal = findings.some(({ level }) => level === "fatal");
  if (asJson) {
    writeOut(`${JSON.stringify({ ok: !fatal, findings })}\n`);
  } else {
    for (const { level, text } of findings) writeErr(`postfix: ${level}: ${text}\n`);
  }
  return fatal ? 1 : 0;
}

async function findingsIn(directory: string): Promise<Finding[]> {
  const source = { directory, environment: environmentVariables() };
  const loaded = loadConfiguration(source);
  const diagnostics = [...(loaded.is === "bad" ? loaded.errors : []), ...loaded.warnings];
  const findings = diagnostics.map((each): Finding => ({ level: each.level, text: printDiagnostic(each) }));
  try {
    if (loaded.is === "bad") {
      const witnesses = await witnessesOf(source);
      return [...findings, ...witnesses.map((text): Finding => ({ level: "fatal", text }))];
    }
    const known = new Set(findings.map(({ text }) => text));
    const found = await checkConfigured(loaded.configuration);
    return [...findings, ...found.filter(({ text }) => !known.has(text))];
  } catch (error) {
    return [...findings, { level: "fatal", text: (error as Error).message }];
  }
}
