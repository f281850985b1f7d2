import { basename } from "node:path";
import { splitList } from "../../config/syntax/list.ts";
import { runInForeground } from "../../platform/process/run_in_foreground.ts";
import {
  environment,
  environmentVariables,
  writeErr,
  writeOut,
} from "../../platform/process/this_process.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import type { CommandContext } from "../command.ts";
import { getopt } from "../getopt.ts";
import { REPLACED } from "../service/replaced_commands.ts";
import { settingsOf, speaker } from "../service_control.ts";

const USAGE = "usage: postfix [-c config_dir] [-Dv] command";
const COMMANDS_OF_POSTFIX =
  "postfix start (or stop, reload, abort, flush, check, status, set-permissions, upgrade-configuration, logrotate)";

/** The commands of postfix(1) that are there, and two of ours. */
const VERBS: ReadonlySet<string> = new Set([
  ...[
    "start",
    "start-fg",
    "stop",
    "reload",
    "abort",
    "flush",
    "check",
    "status",
    "logrotate",
    "serve",
    "version",
  ],
  ...Object.keys(REPLACED),
]);

const HELP = `usage: mta [-c config_dir] postfix [-c config_dir] [-v] command

a command of postfix(1), the same as "mta command": start, stop, reload,
abort, flush, check, status, logrotate, ... Where no configuration directory
is named and there are multi_instance_directories, multi_instance_wrapper is
given the command instead, for all instances.
`;

/** `postfix VERB`, as it is typed since ever (postfix(1)). */
export async function postfix(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") return (writeOut(HELP), 0);
  const given = getopt(context.args, "c:Dv");
  if (given.is === "bad") {
    writeErr(`postfix: ${given.why}\n`);
    return fatal(USAGE);
  }
  const named = given.options.findLast(({ letter }) => letter === "c")?.argument;
  if (named !== undefined && !named.startsWith("/")) return fatal("-c requires absolute pathname");
  const configDirectory = named ?? context.configDirectory;
  const [name, ...args] = given.rest;
  const configuration = settingsOf({ ...context, configDirectory }, ["queue_directory"]);
  if (configuration === undefined) return 1;
  const isOne = configDirectory !== undefined || (environment("MAIL_CONFIG") ?? "") !== "";
  if (!isOne && splitList(configuration.settings.multi_instance_directories).length > 0) {
    return await handOver(given.rest, context, configuration);
  }
  const say = speaker(configuration);
  if (name === undefined) return (say(`error: unknown command: ''. Usage: ${COMMANDS_OF_POSTFIX}`), 1);
  if (!VERBS.has(name)) {
    return (say(`fatal: unknown command: '${name}'. Usage: ${COMMANDS_OF_POSTFIX}`), 1);
  }
  return await context.run({ name, args, ...(configDirectory !== undefined && { configDirectory }) });
}

/** To multi_instance_wrapper; postmulti(1) is a command of this program, wherever it is said to be. */
async function handOver(
  words: readonly string[],
  { run }: CommandContext,
  { settings }: LightConfiguration,
): Promise<number> {
  const [program, ...args] = settings.multi_instance_wrapper.split(/\s+/).filter((word) => word !== "");
  if (program === undefined) {
    return fatal("multi-instance support is requested, but multi_instance_wrapper is empty");
  }
  if (basename(program) === "postmulti") return await run({ name: "postmulti", args: [...args, ...words] });
  const ended = await runInForeground([program, ...args, ...words], environmentVariables());
  return typeof ended === "number" ? ended : fatal(`${program}: ${ended.why}`);
}

function fatal(why: string): number {
  writeErr(`postfix: fatal: ${why}\n`);
  return 1;
}
