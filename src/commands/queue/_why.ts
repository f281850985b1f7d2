import { systemClock } from "../../base/clock.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import { askService } from "../../master/control/control_client.ts";
import { type WhyWaiting, whyWaiting } from "../../master/control/why_waiting.ts";
import { writeOut } from "../../platform/process/this_process.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { parseQueueId } from "../../queue/queue_id.ts";
import { readDirectly, refusal } from "./_list_queue.ts";
import { whyText } from "./_why_text.ts";

/** Tells what holds a message (`postqueue --why`); answers why it could not be told. */
export async function tellWhy(
  { settings }: LightConfiguration,
  { program, id, json }: { readonly program: string; readonly id: string; readonly json: boolean },
): Promise<string | undefined> {
  if (!/^\w{1,100}$/.test(id)) return `bad mail queue ID: ${id}`;
  if (parseQueueId(id) === undefined) return notThere(id);
  const known = id as QueueId;
  const answer = await askService({
    queueDirectory: settings.queue_directory,
    verb: "why",
    args: { id: known },
  });
  if (answer.is === "fault") return refusal(settings, answer);
  let found: WhyWaiting | undefined;
  if (answer.is === "done") found = answer.value.found;
  else {
    const fault = await readDirectly(settings, { program, why: answer.why }, async (queue) => {
      const row = await queue.find(known);
      if (row === undefined) return;
      found = whyWaiting(row, await queue.open(known), { lifetimes: settings, active: undefined });
    });
    if (fault !== undefined) return fault;
  }
  if (found === undefined) return notThere(id);
  const { empty_address_recipient: nobody } = settings;
  writeOut(json ? `${JSON.stringify(found)}\n` : whyText(found, { nobody, now: systemClock.now() }));
  return undefined;
}

const notThere = (id: string): string => `message ${id} is not in the queue (any more)`;
