import { writeOut } from "../platform/process/this_process.ts";
import { FILTER_HELP } from "../queue/filter/filter_options.ts";
import type { CommandContext } from "./command.ts";

const HELP = `usage: mta [-c config_dir] mailq [--json] [filter...]
       mta [-c config_dir] mailq --why queueid [--json]

list the queue, as postqueue -p does; without these options it is sendmail -bp
and takes sendmail's

  --why QUEUEID      what holds this message, when it goes on, what was said
  --json             one JSON object a line and message
${FILTER_HELP}`;

/** Words that sendmail(1) does not have. */
const BEYOND = /^--(?:json|why|from|to|domain|status|older-than)(?:=|$)/;

/** `mta mailq` (mailq(1)): sendmail by another name, or postqueue where that has more. */
export async function mailq(context: CommandContext): Promise<number> {
  const { args } = context;
  if (args[0] === "--help") return (writeOut(HELP), 0);
  if (args.some((word) => BEYOND.test(word))) return await context.run({ name: "postqueue", args });
  const { sendmail } = await import("./sendmail/sendmail_command.ts");
  return await sendmail(context);
}
