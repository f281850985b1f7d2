import type { LightConfiguration } from "../../config/read_settings.ts";
import { writeErr, writeOut } from "../../platform/process/this_process.ts";
import type { CommandContext } from "../command.ts";
import { getopt } from "../getopt.ts";
import { settingsOf } from "../service_control.ts";
import { flushAll, type FlushFault, flushMessage, flushSite } from "./_flush.ts";

const USAGE = "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site";

const HELP = `usage: mta [-c config_dir] postqueue [-c config_dir] -f | -i queueid | -s site

look after the queue of the running service

  -f           try all deferred mail now
  -i queueid   try this message now
  -s site      try the mail for a site of fast_flush_domains now
`;

/** Every failure of postqueue(1) ends with EX_UNAVAILABLE, whatever it was (observed). */
const UNAVAILABLE = 69;

/** What each mode does; a text is why it failed. */
const MODES: Readonly<
  Record<string, (configuration: LightConfiguration, argument: string) => Promise<FlushFault>>
> = {
  f: flushAll,
  i: flushMessage,
  s: flushSite,
};

/** `mta postqueue` (postqueue(1)). */
export async function postqueue(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") return (writeOut(HELP), 0);
  const given = getopt(context.args, "c:fi:s:v");
  if (given.is === "bad") writeErr(`postqueue: ${given.why}\n`);
  if (given.is === "bad" || given.rest.length > 0) return fatal(USAGE);
  const modes = given.options.filter(({ letter }) => Object.hasOwn(MODES, letter));
  const [mode] = modes;
  if (mode === undefined || modes.length > 1) return fatal(USAGE);
  const configDirectory = given.options.findLast(({ letter }) => letter === "c")?.argument;
  const called = { ...context, ...(configDirectory !== undefined && { configDirectory }) };
  const configuration = settingsOf(called, ["queue_directory"], "postqueue");
  if (configuration === undefined) return UNAVAILABLE;
  const fault = await MODES[mode.letter]!(configuration, mode.argument ?? "");
  return fault === undefined ? 0 : fatal(fault);
}

function fatal(why: string): number {
  writeErr(`postqueue: fatal: ${why}\n`);
  return UNAVAILABLE;
}
