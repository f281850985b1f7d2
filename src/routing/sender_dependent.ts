import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { FindAddress } from "../rewrite/find_address.ts";
import type { Trouble } from "../rewrite/local_domains.ts";
import type { OpenMaps } from "../rewrite/open_tables.ts";

/** A sender's own choice, or undefined where the table has none or says DUNNO. */
export type SenderChoice = (sender: string) => MaybeAsync<string | undefined | Trouble>;

/** Lookup in sender_dependent_relayhost_maps or sender_dependent_default_transport_maps; `nullKey` stands for <>. */
export function createSenderChoice(
  maps: OpenMaps | undefined,
  find: FindAddress,
  nullKey: string,
): SenderChoice | undefined {
  if (maps === undefined) return undefined;
  return (sender) =>
    then(find(maps, sender === "" ? nullKey : sender), ({ answer }) => {
      if (answer.is === "trouble") return { trouble: `${maps.title} lookup failure: ${answer.why}` };
      if (answer.is === "absent" || answer.value.toUpperCase() === "DUNNO") return undefined;
      return answer.value;
    });
}
