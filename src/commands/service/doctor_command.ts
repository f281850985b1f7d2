import { systemClock } from "../../base/clock.ts";
import { loadConfiguration } from "../../config/load.ts";
import { printDiagnostic } from "../../config/syntax/diagnostic.ts";
import { type CheckResult, problem, STATUS_OF, worstOf } from "../../doctor/check_result.ts";
import { doctorChecks } from "../../doctor/health/doctor_checks.ts";
import { printResults, resultsJson } from "../../doctor/print_results.ts";
import { runChecks } from "../../doctor/run_checks.ts";
import { createLog } from "../../observe/create_log.ts";
import { memoryWriter } from "../../observe/log_writer.ts";
import { environmentVariables, writeErr, writeOut } from "../../platform/process/this_process.ts";
import { openMailWorld } from "../../worker/services/mail_world.ts";
import type { CommandContext } from "../command.ts";
import { directoryOf } from "../service_control.ts";

const HELP = `usage: mta [-c config_dir] doctor [--json]

Looks at everything that mail depends on here, each with a fix:
  configuration  what mta check finds in main.cf and master.cf
  tables         unreadable, or older than their source
  certificates   expiry, names, chains, keys
  service, ports does it run and greet; else can its ports be bound
  queue          kind of file system, is a sync honoured, room
  clock          can it be right, does anybody keep it right
  resolver       does it answer, EDNS, TCP, DNSSEC
  name           myhostname and smtp_helo_name in the DNS, and back (PTR)
  relayhost      connect, greeting, TLS as demanded, login as configured
Nothing is changed, sent or queued, and no password is given away.

  --json         one object: worst, and results with severity, check, found,
                 and where there is one fix and record
Exit status: 0 all is well, 1 warnings, 2 problems, 64 wrong usage.
`;

/** sysexits(3). */
const USAGE = 64;

/** `mta doctor [--json]`. Exit status 0 where all is well, 1 with warnings, 2 with problems. */
export async function doctor(context: CommandContext): Promise<number> {
  const { args } = context;
  if (args.some((arg) => arg === "--help" || arg === "-h")) return (writeOut(HELP), 0);
  const unknown = args.find((arg) => arg !== "--json");
  if (unknown !== undefined) {
    writeErr(`mta doctor: fatal: unknown argument: "${unknown}"\n${HELP}`);
    return USAGE;
  }
  const results = await examine(directoryOf(context));
  writeOut(args.includes("--json") ? resultsJson(results) : printResults(results));
  return STATUS_OF[worstOf(results)];
}

async function examine(directory: string): Promise<readonly CheckResult[]> {
  const environment = environmentVariables();
  const loaded = loadConfiguration({ directory, environment });
  const configuration = loaded.is === "bad" ? loaded.unfit : loaded.configuration;
  const errors = loaded.is === "bad" ? loaded.errors : [];
  const fatal = () => errors.map((each) => problem("configuration", printDiagnostic(each)));
  if (configuration === undefined) return fatal();
  const log = createLog({ syslogName: "postfix", writer: memoryWriter() });
  try {
    const world = openMailWorld(configuration, log);
    const checks = doctorChecks({ configuration, world, environment, now: () => systemClock.now() });
    const results = await runChecks(checks, systemClock);
    world.close();
    return results;
  } catch (error) {
    if (errors.length > 0) return fatal();
    return [problem("configuration", (error as Error).message)];
  }
}
