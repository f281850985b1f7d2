import { Misfit } from "../../base/shape.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import { isSite } from "../../address/site.ts";
import { askService, type ControlAnswer } from "../../master/control/control_client.ts";
import { ownIds, userById } from "../../platform/process/users.ts";
import { queueId } from "../../queue/queue_shapes.ts";

/** Why a flush did not take place, in postqueue(1)'s words; undefined when it did. */
export type FlushFault = string | undefined;

const DOWN = "Cannot flush mail queue - mail system is down";

/** Tries all deferred mail now, and looks for mail that was submitted (`postqueue -f`). */
export async function flushAll({ settings }: LightConfiguration): Promise<FlushFault> {
  const { queue_directory: queueDirectory } = settings;
  return faultOf(await askService({ queueDirectory, verb: "flush", args: { all: true } }));
}

/** Tries a message now (`postqueue -i`); Postfix does not mind either when there is none of that id. */
export async function flushMessage({ settings }: LightConfiguration, id: string): Promise<FlushFault> {
  if (!/^\w+$/.test(id)) return `Cannot flush queue ID - invalid name: "${shown(id)}"`;
  const { queue_directory: queueDirectory } = settings;
  const known = queueId(id);
  const items = known instanceof Misfit ? [] : [known];
  return faultOf(await askService({ queueDirectory, verb: "flush", args: {}, items }));
}

/** Tries the mail for a site of fast_flush_domains now (`postqueue -s`). */
export async function flushSite({ settings }: LightConfiguration, site: string): Promise<FlushFault> {
  if (!isSite(site)) return `Cannot flush mail queue - invalid destination: "${shown(site)}"`;
  const { queue_directory: queueDirectory } = settings;
  const answer = await askService({ queueDirectory, verb: "flush_site", args: { site } });
  if (answer.is !== "done") return faultOf(answer);
  if (answer.value === "denied") return `Flush service is not configured for destination "${site}"`;
  return answer.value === "failed" ? DOWN : undefined;
}

const shown = (text: string) => text.length > 100 ? `${text.slice(0, 100)}...` : text;

function faultOf(answer: ControlAnswer<"flush" | "flush_site">): FlushFault {
  if (answer.is === "done") return undefined;
  if (answer.is === "down") return DOWN;
  if (answer.kind !== "forbidden") return `Cannot flush mail queue - ${answer.why}`;
  const { uid } = ownIds();
  return `User ${userById(uid)?.name ?? "unknown"}(${uid}) is not allowed to flush the mail queue`;
}
