import { writeOut } from "../../platform/process/this_process.ts";
import type { CommandContext } from "../command.ts";
import { ask, runningPid, settingsOf, speaker } from "../service_control.ts";

/** `mta status [--json]`: whether the service runs; exit status 0 if so, 1 if not (postfix(1)). */
export async function status(context: CommandContext): Promise<number> {
  const configuration = settingsOf(context);
  if (configuration === undefined) return 1;
  const say = speaker(configuration);
  const pid = runningPid(configuration);
  if (context.args.includes("--json")) {
    const answer = pid === undefined ? undefined : await ask(configuration, "status", {}, 10_000);
    const facts = answer?.is === "done" ? answer.value : {};
    writeOut(
      `${JSON.stringify({ running: pid !== undefined, ...(pid !== undefined && { pid }), ...facts })}\n`,
    );
  } else if (pid === undefined) say("the Postfix mail system is not running");
  else say(`the Postfix mail system is running: PID: ${pid === 0 ? "unknown" : pid}`);
  return pid === undefined ? 1 : 0;
}
