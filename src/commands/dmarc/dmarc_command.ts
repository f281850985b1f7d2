import { systemClock } from "../../base/clock.ts";
import { printable } from "../../base/printable.ts";
import { writeErr, writeOut } from "../../platform/process/this_process.ts";
import type { CommandContext } from "../command.ts";
import { settingsOf } from "../service_control.ts";
import { DMARC_HELP, parseDmarcArguments, type ReportsRequest } from "./_arguments.ts";
import { receivedReports } from "./_received_reports.ts";
import { reportsText } from "./_reports_text.ts";

const USAGE = 64;

/** `mta dmarc`: exit status 0 when all that was found could be read. */
export async function dmarc(context: CommandContext): Promise<number> {
  const request = parseDmarcArguments(context.args, systemClock.now() / 1000);
  if (request === "help") return (writeOut(DMARC_HELP), 0);
  if ("why" in request) return fail(`${request.why} ("mta dmarc --help" says more)`, USAGE);
  const paths = request.paths.length > 0 ? request.paths : mailboxOf(context);
  if (typeof paths === "number") return paths;
  return await reports({ ...request, paths });
}

function fail(text: string, status: number): number {
  writeErr(`mta dmarc: fatal: ${text}\n`);
  return status;
}

/** dmarc_report_mailbox, or the exit status without one. */
function mailboxOf(context: CommandContext): readonly string[] | number {
  const configuration = settingsOf(context, ["dmarc_report_mailbox"], "mta dmarc");
  if (configuration === undefined) return 1;
  const { dmarc_report_mailbox: mailbox } = configuration.settings;
  if (mailbox !== "") return [mailbox];
  return fail("dmarc_report_mailbox is not set: name files or folders with reports", USAGE);
}

async function reports(request: ReportsRequest): Promise<number> {
  const received = await receivedReports(request);
  const { faults } = received;
  writeOut(request.json ? `${JSON.stringify(received)}\n` : reportsText(received));
  for (const { source, why } of faults) writeErr(`mta dmarc: warning: ${printable(`${source}: ${why}`)}\n`);
  return faults.length > 0 ? 1 : 0;
}
