import { checkEverything } from "../../master/check/check_everything.ts";
import type { Severity } from "../../master/check/finding.ts";
import { reportLines, summaryLine } from "../../master/check/report.ts";
import { environmentVariables, writeErr, writeOut } from "../../platform/process/this_process.ts";
import type { CommandContext } from "../command.ts";
import { directoryOf } from "../service_control.ts";

/** What is not as the operator wrote it. */
const LOSSES: ReadonlySet<Severity> = new Set(["closed", "weaker", "warning"]);

/**
 * `mta check [-v] [--strict] [--json]`: everything that is wrong or odd in main.cf, master.cf, the tables they name and the
 * restrictions, one line for what is lost as one, the worst first; with -v also what has no effect and need not have, and who may
 * relay because an entry names him. Exit status 1 when the service or a port of it is refused, else 0; with --strict 2 when it
 * serves, with losses (postfix(1)).
 */
export async function check(context: CommandContext): Promise<number> {
  const all = context.verbose > 0 || context.args.includes("-v");
  const { groups, refused } = await checkEverything(directoryOf(context), environmentVariables());
  const findings = groups.flatMap((group) => group.findings);
  const lossy = findings.some(({ severity }) => LOSSES.has(severity));
  if (context.args.includes("--json")) {
    writeOut(`${JSON.stringify({ ok: !refused, lossy, summary: summaryLine(findings).text, findings })}\n`);
  } else {
    for (const { level, text } of [...reportLines(findings, all), summaryLine(findings)]) {
      writeErr(`postfix: ${level}: ${text}\n`);
    }
  }
  if (refused) return 1;
  return lossy && context.args.includes("--strict") ? 2 : 0;
}
