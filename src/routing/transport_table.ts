import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { FindAddress } from "../rewrite/find_address.ts";
import type { OpenMaps } from "../rewrite/open_tables.ts";
import type { AddressForm } from "../table/search/email_lookup.ts";
import type { Answer } from "../table/table.ts";
import type { Trouble } from "../rewrite/local_domains.ts";

/** A transport and where it delivers to. */
export interface Hop {
  readonly transport: string;
  readonly nexthop: string;
}

/** Overrides a hop by transport_maps: the address, then its domain and parents, then `*` (transport(5)). */
export type TransportTable = (address: string, domain: string, hop: Hop) => MaybeAsync<Hop | Trouble>;

/** Builds the lookup. */
export function createTransportTable(
  maps: OpenMaps,
  find: FindAddress,
  parentMatches: boolean,
): TransportTable {
  const forms: readonly AddressForm[] = [
    "full",
    "no-extension",
    "domain",
    parentMatches ? "parent-domains" : "parent-dot-domains",
  ];
  return (address, domain, hop) =>
    then(find(maps, address, forms), ({ answer }) => {
      if (answer.is === "absent") {
        return then(maps.whole.find("*"), (any) => applied(any, domain, hop, maps.title));
      }
      return applied(answer, domain, hop, maps.title);
    });
}

function applied(answer: Answer, domain: string, hop: Hop, title: string): Hop | Trouble {
  if (answer.is === "absent") return hop;
  if (answer.is === "trouble") return { trouble: `${title} lookup failure: ${answer.why}` };
  return overridden(answer.value, domain, hop);
}

/** `transport:nexthop`: an empty transport keeps it, an empty next hop resets it to the domain (transport(5)). */
function overridden(value: string, domain: string, hop: Hop): Hop {
  const colon = value.indexOf(":");
  const transport = colon < 0 ? value : value.slice(0, colon);
  const nexthop = colon < 0 ? "" : value.slice(colon + 1);
  if (transport === "") return nexthop === "" ? hop : { transport: hop.transport, nexthop };
  if (nexthop !== "") return { transport, nexthop };
  const isError = transport === "error" || transport === "retry";
  return { transport, nexthop: isError ? "Address is undeliverable" : domain };
}
