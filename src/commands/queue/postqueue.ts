import type { LightConfiguration } from "../../config/read_settings.ts";
import { writeErr, writeOut } from "../../platform/process/this_process.ts";
import { FILTER_HELP } from "../../queue/filter/filter_options.ts";
import type { CommandContext } from "../command.ts";
import { settingsOf } from "../service_control.ts";
import { flushAll, flushMessage, flushSite } from "./_flush.ts";
import { type PostqueueOptions, readPostqueueOptions } from "./_postqueue_options.ts";
import { tellWhy } from "./_why.ts";
import { showQueue } from "./_show_queue.ts";

const USAGE = "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site";

const HELP = `usage: mta [-c config_dir] postqueue -p | -j | -f | -i queueid | -s site

look after the queue: list it, or have the running service try mail now
  -p                 list the queue (mailq)
  -j                 list it, one JSON object a line and message
  -f                 try all deferred mail now
  -i queueid         try this message now
  -s site            try the mail for a site of fast_flush_domains now
beyond Postfix
  --why QUEUEID      what holds this message, when it goes on, what was said
  --json             as -j, and next_attempt, orig_address, delay_status; of
                     --why too
of -p and -j, by themselves of -p
${FILTER_HELP}`;

/** Every failure of postqueue(1) ends with EX_UNAVAILABLE, whatever it was (observed). */
const UNAVAILABLE = 69;

/** What each mode does; a text is why it failed. */
const MODES: Readonly<
  Record<
    PostqueueOptions["mode"],
    (configuration: LightConfiguration, options: PostqueueOptions) => Promise<string | undefined>
  >
> = {
  f: (configuration) => flushAll(configuration),
  i: (configuration, { argument }) => flushMessage(configuration, argument),
  s: (configuration, { argument }) => flushSite(configuration, argument),
  j: (configuration, { filter, json }) =>
    showQueue(configuration, { program: "postqueue", as: json ? "more json" : "json", filter }),
  p: (configuration, { filter, json }) =>
    showQueue(configuration, { program: "postqueue", as: json ? "more json" : "text", filter }),
  why: (configuration, { argument, json }) =>
    tellWhy(configuration, { program: "postqueue", id: argument, json }),
};

/** `mta postqueue` (postqueue(1)). */
export async function postqueue(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") return (writeOut(HELP), 0);
  const options = readPostqueueOptions(context.args);
  if ("mistake" in options) return fatal(options.mistake);
  if ("bad" in options) {
    if (options.bad !== "") writeErr(`postqueue: ${options.bad}\n`);
    return fatal(USAGE);
  }
  const called = {
    ...context,
    ...(options.configDirectory !== undefined && { configDirectory: options.configDirectory }),
  };
  const configuration = settingsOf(called, ["queue_directory"], "postqueue");
  if (configuration === undefined) return UNAVAILABLE;
  const fault = await MODES[options.mode](configuration, options);
  return fault === undefined ? 0 : fatal(fault);
}

function fatal(why: string): number {
  writeErr(`postqueue: fatal: ${why}\n`);
  return UNAVAILABLE;
}
