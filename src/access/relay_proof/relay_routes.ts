import type { AccessParts, PolicyService } from "../create_policy.ts";
import type { ProofInput } from "./proof_input.ts";
import { type ListNature, RANK, together, type Way, waysThrough } from "./relay_ways.ts";
import type { RestrictionList } from "../restriction.ts";

/** A way through all lists. */
export type Route = Way & { readonly passes: readonly string[] };

/** Ways through all lists that are kept. */
const MOST_ROUTES = 4000;

/** Both lists for recipients have to let him pass, and of the others those that refuse whoever comes to their end. */
export function routes({ lists }: AccessParts, { settings }: PolicyService, input: ProofInput): Route[] {
  // whoever may relay anyway, may by an @domain key, too
  const atDomainCounts = input.wideClient !== undefined || input.wideRecipient !== undefined;
  const forRecipients: ListNature = { knowsRecipient: true, defers: true, atDomainCounts };
  const relay = waysThrough(lists.relay, forRecipients, input);
  if (relay.length === 0) return [];
  const recipient = waysThrough(lists.recipient, forRecipients, input);
  const through = relay.map((way) => routeBy("smtpd_relay_restrictions", way));
  let all = across(through, "smtpd_recipient_restrictions", recipient);
  for (const [list, nature] of otherLists(lists, settings)) {
    if (all.length === 0) return [];
    const ways = waysThrough(list, nature, input);
    if (!ways.some(({ demands }) => !demands)) all = across(all, list.name, ways);
  }
  return all;
}

function otherLists(
  lists: AccessParts["lists"],
  settings: PolicyService["settings"],
): readonly (readonly [RestrictionList, ListNature])[] {
  const before: ListNature = {
    knowsRecipient: settings.smtpd_delay_reject,
    defers: false,
    atDomainCounts: true,
  };
  const after: ListNature = { knowsRecipient: false, defers: true, atDomainCounts: true };
  return [
    [lists.client, before],
    ...(settings.smtpd_helo_required ? [[lists.helo, before] as const] : []),
    [lists.sender, before],
    [lists.data, after],
    [lists.endOfData, after],
  ];
}

function routeBy(list: string, way: Way): Route {
  return { ...way, passes: [`${list}: ${way.through}`] };
}

function across(routes: readonly Route[], list: string, ways: readonly Way[]): Route[] {
  return routes.flatMap((route) =>
    ways.map((way) => ({
      ...together(route, way),
      fix: list === "smtpd_recipient_restrictions" ? way.fix : route.fix,
      passes: [...route.passes, `${list}: ${way.through}`],
    }))
  ).sort((a, b) => RANK[a.certainty] - RANK[b.certainty]).slice(0, MOST_ROUTES);
}
