import type { CommandContext } from "../command.ts";
import { ask, failed, settingsOf } from "../service_control.ts";

/** `mta flush`: makes all deferred mail due now (postfix(1), postqueue(1) -f). */
export async function flush(context: CommandContext): Promise<number> {
  const configuration = settingsOf(context);
  if (configuration === undefined) return 1;
  const answer = await ask(configuration, "flush", { all: true });
  return answer.is === "done" ? 0 : failed(answer, configuration);
}
