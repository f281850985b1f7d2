import { signalProcess } from "../../platform/process/signals.ts";
import type { ControlAnswer } from "../../master/control/control_client.ts";
import type { CommandContext } from "../command.ts";
import { ask, failed, runningPid, settingsOf, speaker } from "../service_control.ts";

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** How often the lock is looked at while the service ends, in milliseconds. */
const LOOK = 50;

/** `mta stop`: what is in flight ends first, within shutdown_deadline; returns when the service is gone (postfix(1)). */
export async function stop(context: CommandContext): Promise<number> {
  return await end(context, "stop");
}

/** `mta abort`: ends at once. */
export async function abort(context: CommandContext): Promise<number> {
  return await end(context, "abort");
}

async function end(context: CommandContext, how: "stop" | "abort"): Promise<number> {
  const configuration = settingsOf(context);
  if (configuration === undefined) return 1;
  const say = speaker(configuration);
  const pid = runningPid(configuration);
  if (pid === undefined) {
    say("fatal: the Postfix mail system is not running");
    return 1;
  }
  const answer = await ask(configuration, how, {}, 10_000);
  // Without its control socket the service can still be told by a signal.
  const told = answer.is === "done" ||
    (!isForbidden(answer) && pid > 0 && signalProcess(pid, "SIGTERM"));
  if (!told) return failed(answer, configuration);
  say(how === "stop" ? "stopping the Postfix mail system" : "aborting the Postfix mail system");
  const timeLimit = configuration.settings.shutdown_deadline * 1000 + 5000;
  for (let waited = 0; waited < timeLimit; waited += LOOK) {
    if (runningPid(configuration) === undefined) return 0;
    await pause(LOOK);
    if (waited > 0 && waited % 5000 === 0) say("waiting for the Postfix mail system to terminate");
  }
  say("warning: stopping the Postfix mail system with force");
  if (pid > 0) signalProcess(pid, "SIGKILL");
  return 0;
}

function isForbidden(answer: ControlAnswer<"stop" | "abort">): boolean {
  return answer.is === "fault" && answer.kind === "forbidden";
}
