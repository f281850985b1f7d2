import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { splitList } from "../../config/syntax/list.ts";
import { addressLabels, rejectListed } from "./dnsbl.ts";
import type { Query, Restriction, Verdict } from "../restriction.ts";
import { DUNNO } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** reject_maps_rbl (obsolete): the client in any list of maps_rbl_domains. */
export function rejectMapsRbl(deps: RestrictionDeps): Restriction {
  const checks = splitList(deps.settings.maps_rbl_domains).map((domain) =>
    rejectListed(deps, domain, {
      what: ({ facts }) => facts.client.address,
      about: (_query, what) => ({ name: what, class: "Client host" }),
      labels: addressLabels,
    })
  );
  const from = (query: Query, at: number): MaybeAsync<Verdict> => {
    if (at >= checks.length) return DUNNO;
    return then(checks[at]!(query), (verdict) => verdict.is === "dunno" ? from(query, at + 1) : verdict);
  };
  return (query) => from(query, 0);
}
