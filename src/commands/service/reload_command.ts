import type { CommandContext } from "../command.ts";
import { ask, failed, settingsOf, speaker } from "../service_control.ts";

/** Longest a reload may take: the new workers read the queue that the old ones leave. */
const TIME_LIMIT = 120_000;

/** `mta reload`: new workers with the new configuration, then the old ones end; a bad configuration changes nothing (postfix(1)). */
export async function reload(context: CommandContext): Promise<number> {
  const configuration = settingsOf(context);
  if (configuration === undefined) return 1;
  const say = speaker(configuration);
  const answer = await ask(configuration, "reload", {}, TIME_LIMIT);
  if (answer.is !== "done") return failed(answer, configuration);
  say("refreshing the Postfix mail system");
  return 0;
}
