import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import type { FindAddress } from "../../rewrite/find_address.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import type { Answer } from "../../table/table.ts";
import type { RewritingTools } from "./content/generic.ts";
import { type Failure, localFailure } from "./failure.ts";

/** What an operator may demand of the client and it cannot do, by what follows `smtp_` or `lmtp_`: a login. */
const DEMANDED = ["sasl_auth_enable", "sasl_password_maps", "sender_dependent_authentication"] as const;

type DemandParameter = `${"smtp" | "lmtp"}_${(typeof DEMANDED)[number]}`;

/** The parameters that demand it. */
export const CLIENT_DEMANDS: readonly DemandParameter[] = DEMANDED.flatMap((
  each,
): DemandParameter[] => [`smtp_${each}`, `lmtp_${each}`]);

/** Their values. */
export type DemandSettings = Pick<Settings, DemandParameter>;

/**
 * Why mail must not go out over this client, which has no SASL: an operator who demands a login would rather have it wait than see
 * it refused for good by a relay that wants one.
 */
export interface LoginDemands {
  /** For a next hop, as written (`example.com`, `[host]:587`), and the sender. */
  nexthop(nexthop: string, sender: string): MaybeAsync<Failure | undefined>;
  /** The same for a host that was found on the way there. */
  host(name: string): MaybeAsync<Failure | undefined>;
}

/** Reads the demands of one client service. */
export function openLoginDemands(
  program: "smtp" | "lmtp",
  settings: DemandSettings,
  tools: RewritingTools | undefined,
): LoginDemands {
  const passwords = settings[`${program}_sasl_auth_enable`]
    ? tools?.openTables.maps(settings[`${program}_sasl_password_maps`], `${program}_sasl_password_maps`)
    : undefined;
  const bySender = settings[`${program}_sender_dependent_authentication`] ? tools?.find : undefined;
  return {
    nexthop: (nexthop, sender) =>
      then(senderDemand(passwords, bySender, sender), (first) => first ?? loginDemand(passwords, nexthop)),
    host: (name) => loginDemand(passwords, name),
  };
}

/** A password for the sender or its domain, where those are asked for at all (smtp_sender_dependent_authentication). */
function senderDemand(
  passwords: OpenMaps | undefined,
  find: FindAddress | undefined,
  sender: string,
): MaybeAsync<Failure | undefined> {
  if (passwords === undefined || find === undefined || sender === "") return undefined;
  return then(find(passwords, sender), ({ answer }) => demandOf(answer, sender));
}

function loginDemand(passwords: OpenMaps | undefined, key: string): MaybeAsync<Failure | undefined> {
  if (passwords === undefined || key === "") return undefined;
  return then(passwords.whole.find(key), (answer) => demandOf(answer, key));
}

function demandOf(answer: Answer, who: string): Failure | undefined {
  if (answer.is === "trouble") return localFailure("4.7.0", `SASL password lookup error: ${answer.why}`);
  if (answer.is === "absent") return undefined;
  return localFailure("4.7.0", `SASL authentication failed; this client cannot log in, as ${who} demands`);
}
