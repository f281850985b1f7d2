import { systemClock } from "../../base/clock.ts";
import { loadConfiguration } from "../../config/load.ts";
import { printDiagnostic } from "../../config/syntax/diagnostic.ts";
import { STATUS_OF, worstOf } from "../../doctor/check_result.ts";
import { printResults, resultsJson } from "../../doctor/print_results.ts";
import { rehearse as rehearseMail } from "../../doctor/rehearsal/rehearse.ts";
import { parseRehearsal, REHEARSE_HELP, RequestFault } from "../../doctor/rehearsal/request.ts";
import { createLog } from "../../observe/create_log.ts";
import { memoryWriter } from "../../observe/log_writer.ts";
import { environmentVariables, writeErr, writeOut } from "../../platform/process/this_process.ts";
import { openMailWorld } from "../../worker/services/mail_world.ts";
import type { CommandContext } from "../command.ts";
import { directoryOf } from "../service_control.ts";

/** sysexits(3). */
const USAGE = 64;
const CONFIGURATION = 78;

/** `mta rehearse ADDRESS`: what a receiver would have against our mail. Exit status 0 all is well, 1 warnings, 2 problems. */
export async function rehearse(context: CommandContext): Promise<number> {
  try {
    const request = parseRehearsal(context.args);
    if (request === "help") return (writeOut(REHEARSE_HELP), 0);
    const loaded = loadConfiguration({
      directory: directoryOf(context),
      environment: environmentVariables(),
    });
    if (loaded.is === "bad") {
      for (const each of loaded.errors) writeErr(`mta rehearse: fatal: ${printDiagnostic(each)}\n`);
      return CONFIGURATION;
    }
    const { configuration } = loaded;
    const world = openMailWorld(configuration, createLog({ syslogName: "postfix", writer: memoryWriter() }));
    const results = await rehearseMail(request, { configuration, world, clock: systemClock });
    world.close();
    writeOut(request.json ? resultsJson(results) : printResults(results));
    return STATUS_OF[worstOf(results)];
  } catch (error) {
    if (error instanceof RequestFault) {
      writeErr(`mta rehearse: fatal: ${error.message} ("mta rehearse --help" says more)\n`);
      return USAGE;
    }
    // A table that cannot be opened or asked.
    if (!(error instanceof Error)) throw error;
    writeErr(`mta rehearse: fatal: ${error.message}\n`);
    return CONFIGURATION;
  }
}
