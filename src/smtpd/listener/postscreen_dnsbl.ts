import { addressLabels } from "../../access/restrictions/dnsbl.ts";
import {
  type AddressPattern,
  matchesAddress,
  parseAddressPattern,
} from "../../access/restrictions/dnsbl_filter.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { OpenMaps, OpenTables } from "../../rewrite/open_tables.ts";

/** The parameters of postscreen's blocklists. */
export const POSTSCREEN_DNSBL_PARAMETERS = [
  "postscreen_dnsbl_sites",
  "postscreen_dnsbl_threshold",
  "postscreen_dnsbl_action",
  "postscreen_dnsbl_reply_map",
  "postscreen_dnsbl_timeout",
] as const satisfies readonly ParameterName[];

type DnsblSettings = SettingsOf<typeof POSTSCREEN_DNSBL_PARAMETERS>;

/** A site: `domain=filter*weight`. */
interface Site {
  readonly domain: string;
  readonly filter: AddressPattern | undefined;
  readonly weight: number;
}

/** What the lists say of a client that is over the threshold. */
export interface Blocked {
  readonly rank: number;
  /** postscreen_dnsbl_action: ignore, enforce or drop. */
  readonly action: string;
  /** The list that is named to the client: the one that weighs most, by its public name (postscreen_dnsbl_reply_map). */
  readonly using: string;
}

/** Asks the lists about an address; undefined: it may come in. A list that does not answer blocks nobody (postscreen(8)). */
export type AskLists = (address: string) => Promise<Blocked | undefined>;

/** Opens the lists; undefined when none is named. Throws when one cannot be read, as a list that is left out blocks nobody. */
export function openPostscreenLists(
  settings: DnsblSettings,
  openTables: OpenTables,
  resolver: Pick<Resolver, "query">,
): AskLists | undefined {
  const sites = splitList(settings.postscreen_dnsbl_sites).map(parseSite);
  if (sites.length === 0) return undefined;
  const names = openTables.maps(settings.postscreen_dnsbl_reply_map, "postscreen_dnsbl_reply_map");
  return async (address) => {
    const labels = addressLabels(address);
    if (labels === undefined) return undefined;
    const limit = AbortSignal.timeout(settings.postscreen_dnsbl_timeout * 1000);
    const listed = await Promise.all(sites.map((site) => isListed(site, labels, resolver, limit)));
    const found = sites.filter((_, at) => listed[at]);
    const rank = found.reduce((sum, { weight }) => sum + weight, 0);
    const [heaviest] = found.toSorted((a, b) => b.weight - a.weight);
    if (heaviest === undefined || rank < settings.postscreen_dnsbl_threshold) return undefined;
    return {
      rank,
      action: settings.postscreen_dnsbl_action,
      using: await publicName(heaviest.domain, names),
    };
  };
}

function parseSite(text: string): Site {
  const [, domain = "", filter, weight = "1"] = /^([^=*]+)(?:=([^*]+))?(?:\*(.*))?$/.exec(text) ?? [];
  const pattern = filter === undefined ? undefined : parseAddressPattern(filter);
  if (domain === "" || typeof pattern === "string" || !/^[+-]?\d+$/.test(weight)) {
    const why = typeof pattern === "string" ? pattern : "write domain, domain=address or domain*weight";
    throw new Error(`bad postscreen_dnsbl_sites item "${text}": ${why}`);
  }
  return { domain, filter: pattern, weight: Number(weight) };
}

async function isListed(
  { domain, filter }: Site,
  labels: string,
  resolver: Pick<Resolver, "query">,
  limit: AbortSignal,
): Promise<boolean> {
  const answer = await resolver.query(`${labels}.${domain}`, "A", limit);
  if (answer.is !== "records") return false;
  return filter === undefined || answer.records.some(({ address }) => matchesAddress(filter, address));
}

/** A list's domain may hold the operator's key: what the table says is shown in its place. */
function publicName(domain: string, names: OpenMaps | undefined): MaybeAsync<string> {
  if (names === undefined) return domain;
  return then(names.whole.find(domain), (answer) => {
    if (answer.is === "trouble") return "a blocklist";
    return answer.is === "found" ? answer.value : domain;
  });
}
