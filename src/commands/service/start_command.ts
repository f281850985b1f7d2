import { environmentVariables } from "../../platform/process/this_process.ts";
import { spawnDetached } from "../../platform/process/spawn.ts";
import { isThere } from "../../platform/file/system_path.ts";
import type { CommandContext } from "../command.ts";
import { directoryOf, runningPid, settingsOf, speaker } from "../service_control.ts";

const SYSLOG = "/dev/log";

/** `mta start`: the service in the background; returns when it serves, or says why it does not (postfix(1)). */
export async function start(context: CommandContext): Promise<number> {
  const configuration = settingsOf(context);
  if (configuration === undefined) return 1;
  const say = speaker(configuration);
  if (runningPid(configuration) !== undefined) {
    say("fatal: the Postfix mail system is already running");
    return 1;
  }
  say("starting the Postfix mail system");
  if (configuration.settings.maillog_file === "" && !isThere(SYSLOG)) {
    say(`warning: no system log daemon at ${SYSLOG}: log lines are lost; set maillog_file to keep them`);
  }
  const environment = Object.fromEntries(
    Object.entries(environmentVariables()).filter((entry): entry is [string, string] =>
      entry[1] !== undefined
    ),
  );
  const report =
    (await spawnDetached(["-c", directoryOf(context), "serve", "--detached"], environment).report).trim();
  const lines = report.split("\n");
  if (lines[0] === "ready") {
    for (const line of lines.slice(1)) say(`error: ${line}`);
    return 0;
  }
  for (const line of lines) if (line !== "") say(`fatal: ${line}`);
  say("fatal: mail system startup failed");
  return 1;
}
