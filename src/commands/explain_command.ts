import { printDiagnostic } from "../config/syntax/diagnostic.ts";
import { loadConfiguration } from "../config/load.ts";
import { EXPLAIN_HELP, type ExplainRequest, parseExplain } from "../explain/arguments.ts";
import { explain as explainSession } from "../explain/explain.ts";
import type { Explanation, Outcome } from "../explain/explanation.ts";
import { printExplanation } from "../explain/print/print.ts";
import { TimeLimitFault } from "../explain/play.ts";
import { ExplainFault } from "../explain/session_description.ts";
import { askService } from "../master/control/control_client.ts";
import type { FaultKind } from "../master/control/service_fault.ts";
import { openExplainParts } from "../worker/explain_parts.ts";
import { environmentVariables, isTerminal, writeErr, writeOut } from "../platform/process/this_process.ts";
import type { CommandContext } from "./command.ts";
import { directoryOf, settingsOf } from "./service_control.ts";

const STATUS: Readonly<Record<Outcome, number>> = { permit: 0, reject: 1, defer: 2 };
/** sysexits(3). */
const USAGE = 64;
const UNAVAILABLE = 69;
const TEMPORARY = 75;
const NO_PERMISSION = 77;
const CONFIGURATION = 78;

/** `mta explain`: what the server would answer to a session, and why. Exit status 0 accepted, 1 rejected, 2 deferred. */
export async function explain(context: CommandContext): Promise<number> {
  try {
    const request = parseExplain(context.args);
    if (request === "help") return (writeOut(EXPLAIN_HELP), 0);
    const explanation = request.running ? await fromService(context) : await fromDisk(context, request);
    if (typeof explanation === "number") return explanation;
    print(explanation, request, context.verbose > 0);
    return STATUS[explanation.outcome];
  } catch (error) {
    if (error instanceof ExplainFault) {
      return fail(`${error.message} ("mta explain --help" says more)`, USAGE);
    }
    throw error;
  }
}

function fail(text: string, status: number): number {
  writeErr(`mta explain: fatal: ${text}\n`);
  return status;
}

function print(explanation: Explanation, { json }: ExplainRequest, all: boolean): void {
  if (json) writeOut(`${JSON.stringify(explanation)}\n`);
  else writeOut(printExplanation(explanation, { colour: isTerminal(1), all }));
}

async function fromDisk(context: CommandContext, request: ExplainRequest): Promise<Explanation | number> {
  const directory = directoryOf(context);
  const loaded = loadConfiguration({ directory, environment: environmentVariables() });
  if (loaded.is === "bad") {
    for (const each of loaded.errors) writeErr(`mta explain: fatal: ${printDiagnostic(each)}\n`);
    return CONFIGURATION;
  }
  try {
    return await explainSession(loaded.configuration, request.session, request, openExplainParts);
  } catch (error) {
    if (error instanceof ExplainFault || !(error instanceof Error)) throw error;
    if (error instanceof TimeLimitFault) return fail(error.message, TEMPORARY);
    return fail(error.message, CONFIGURATION);
  }
}

const STATUS_OF_FAULT = {
  malformed: USAGE,
  forbidden: NO_PERMISSION,
  busy: TEMPORARY,
  unavailable: UNAVAILABLE,
  configuration: CONFIGURATION,
  failed: CONFIGURATION,
} as const satisfies Record<FaultKind, number>;

/** How long the running service may take: it gives up by itself before that. */
const TIME_LIMIT = 120_000;

async function fromService(context: CommandContext): Promise<Explanation | number> {
  const configuration = settingsOf(context);
  if (configuration === undefined) return CONFIGURATION;
  const answer = await askService({
    queueDirectory: configuration.settings.queue_directory,
    verb: "explain",
    args: {},
    items: context.args,
    timeout: TIME_LIMIT,
  });
  if (answer.is === "done") {
    if (answer.value.is === "fault") throw new ExplainFault(answer.value.why);
    return answer.value.explanation;
  }
  if (answer.is === "fault") return fail(answer.why, STATUS_OF_FAULT[answer.kind]);
  return fail("the mail system is not running; without --running the files on disk are asked", UNAVAILABLE);
}
