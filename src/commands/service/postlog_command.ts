import { printable } from "../../base/printable.ts";
import type { Level } from "../../observe/event.ts";
import { levelPrefix } from "../../observe/log_line.ts";
import { linesOf, standardInputBlocks } from "../../platform/process/standard_input.ts";
import { isTerminal, writeErr, writeOut } from "../../platform/process/this_process.ts";
import { ownPid } from "../../platform/process/signals.ts";
import type { CommandContext } from "../command.ts";
import { getopt, type GivenOption } from "../getopt.ts";
import { openMailLog } from "../mail_log.ts";
import { settingsOf } from "../service_control.ts";

const USAGE = "usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text]";

const HELP = `usage: mta [-c config_dir] postlog [-i] [-p priority] [-t tag] [text ...]

write a line to the mail log; without text, the lines of standard input

  -p priority  info, warn, error, fatal or panic
  -t tag       in place of postfix/postlog
  -i           (the process id is always there)
`;

/** The names of postlog(1). */
const LEVELS: Readonly<Record<string, Level>> = {
  info: "info",
  warn: "warning",
  warning: "warning",
  error: "error",
  err: "error",
  fatal: "fatal",
  crit: "fatal",
  panic: "panic",
};

/** After a fatal line there is a pause, as after every fatal line of Postfix, in milliseconds. */
const PAUSE = 1000;

/** `mta postlog`: a line for the mail log (postlog(1)). */
export async function postlog(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") return (writeOut(HELP), 0);
  const given = getopt(context.args, "c:ip:t:v");
  if (given.is === "bad") {
    writeErr(`postlog: ${given.why}\n`);
    return fatal(USAGE);
  }
  const { options, rest } = given;
  const priority = last(options, "p") ?? "info";
  const level = Object.hasOwn(LEVELS, priority.toLowerCase()) ? LEVELS[priority.toLowerCase()] : undefined;
  if (level === undefined) return fatal(`bad severity: "${priority}"`);
  const configDirectory = last(options, "c") ?? context.configDirectory;
  const configuration = settingsOf({ ...context, configDirectory }, ["queue_directory"], "postlog");
  if (configuration === undefined) return 1;
  const tag = printable(last(options, "t") ?? `${configuration.settings.syslog_name}/postlog`).slice(0, 1000);
  const log = openMailLog(configuration, { level, tag, pid: ownPid() });
  try {
    for (const lines of rest.length > 0 ? [[rest.join(" ")]] : inputLines()) {
      if (isTerminal(2)) {
        writeErr(lines.map((line) => `${tag}: ${levelPrefix(level)}${printable(line)}\n`).join(""));
      }
      await log.write(lines);
    }
  } catch (error) {
    return fatal((error as Error).message);
  }
  if (level === "fatal" || level === "panic") await new Promise((resolve) => setTimeout(resolve, PAUSE));
  return 0;
}

/** The lines of standard input as they come. */
function* inputLines(): Generator<readonly string[]> {
  for (const block of standardInputBlocks()) yield [...linesOf(block)].map((line) => line.toString());
}

const last = (options: readonly GivenOption[], letter: string) =>
  options.findLast((option) => option.letter === letter)?.argument;

function fatal(why: string): number {
  writeErr(`postfix/postlog: fatal: ${why}\n`);
  return 1;
}
