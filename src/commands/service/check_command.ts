import { isListening } from "../../config/listening_endpoints.ts";
import { loadConfiguration } from "../../config/load.ts";
import { type Configuration, serviceKey } from "../../config/service.ts";
import { checkConfigured } from "../../master/check/check_configured.ts";
import { type Finding, findingOf, type Severity } from "../../master/check/finding.ts";
import { reportLines, summaryLine } from "../../master/check/report.ts";
import { environmentVariables, writeErr, writeOut } from "../../platform/process/this_process.ts";
import type { CommandContext } from "../command.ts";
import { directoryOf } from "../service_control.ts";

/** What is not as the operator wrote it. */
const LOSSES: ReadonlySet<Severity> = new Set(["closed", "weaker", "warning"]);

interface Checked {
  readonly findings: readonly Finding[];
  /** The service would not start, or a port of it would turn everybody away. */
  readonly refused: boolean;
}

/**
 * `mta check [-v] [--strict] [--json]`: everything that is wrong or odd in main.cf, master.cf, the tables they name and the
 * restrictions, one line for what is lost as one, the worst first; with -v also what has no effect and need not have, and who may
 * relay because an entry names him. Exit status 1 when the service or a port of it is refused, else 0; with --strict 2 when it
 * serves, with losses (postfix(1)).
 */
export async function check(context: CommandContext): Promise<number> {
  const all = context.verbose > 0 || context.args.includes("-v");
  const { findings, refused } = await checkAll(directoryOf(context));
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

/** All findings, also those behind one that keeps the service from starting. */
async function checkAll(directory: string): Promise<Checked> {
  const loaded = loadConfiguration({ directory, environment: environmentVariables() });
  const [errors, configuration] = loaded.is === "bad"
    ? [loaded.errors, loaded.unfit]
    : [[], loaded.configuration];
  const ofFiles = [...errors, ...loaded.warnings].map(findingOf);
  const findings = configuration === undefined
    ? ofFiles
    : [...ofFiles, ...await ofTables(configuration, ofFiles)];
  const ports = new Set(configuration?.services.filter(isPort).map(serviceKey));
  const refused = findings.some(({ severity, closes = [] }) =>
    severity === "refused" || closes.some((key) => ports.has(key))
  );
  return { findings, refused };
}

const isPort = (service: Configuration["services"][number]) =>
  isListening(service) || (service.program === "smtpd" && service.type === "pass");

/** What opening everything brings to light; where that cannot be done, why, unless the files have said so. */
async function ofTables(configuration: Configuration, known: readonly Finding[]): Promise<Finding[]> {
  const texts = new Set(known.map(({ text }) => text));
  try {
    return (await checkConfigured(configuration)).filter(({ text }) => !texts.has(text));
  } catch (error) {
    if (known.some(({ severity }) => severity === "refused")) return [];
    return [{ severity: "refused", text: (error as Error).message }];
  }
}
