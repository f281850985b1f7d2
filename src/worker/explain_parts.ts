import type { AddressVerifier } from "../access/verifier.ts";
import { listenAddresses } from "../config/listen_address.ts";
import { realWorld } from "../config/world.ts";
import type { House, HousePlan, OpenHouse } from "../explain/session_parts.ts";
import { ownPid } from "../platform/process/signals.ts";
import { findingsAgainst } from "./service_relay_proof.ts";
import { openMailWorld } from "./mail_world.ts";
import { openSessionParts } from "./smtpd_services.ts";

/** Builds what a session is explained with: the parts of the service as a worker has them, with every question watched. */
export const openExplainHouse: OpenHouse = (plan) => openHouse(plan, undefined);

/** The same inside a worker, which knows what address probes have found. */
export function openHouseWith(known: AddressVerifier["known"]): OpenHouse {
  return (plan) => openHouse(plan, known);
}

function openHouse(plan: HousePlan, known: AddressVerifier["known"] | undefined): House {
  const { configuration, service, watch, log, edited = (open) => open } = plan;
  const world = openMailWorld(configuration, log, watch);
  const parts = openSessionParts(service, world, log, {
    watchServer: watch.server,
    verifier: watch.verifier(known),
    sleep: () => Promise.resolve(),
  });
  return {
    parts,
    relayFindings: () => findingsAgainst(configuration, service, edited),
    local: localOf({ configuration, service }, world.ownAddresses),
    close() {
      parts.access.close();
      world.close();
    },
  };
}

/** Where a client of the service connects to: its first address, the machine's own where it listens on all. */
function localOf(
  { configuration: { settings }, service }: Pick<HousePlan, "configuration" | "service">,
  own: readonly string[],
): House["local"] {
  const found = listenAddresses(service.name, settings, realWorld(ownPid(), "explain"));
  const { host, port } = found.is === "addresses" ? found.addresses[0]! : { host: "0.0.0.0", port: 25 };
  const any = host === "0.0.0.0" || host === "::";
  return { address: any ? own[0] ?? "127.0.0.1" : host, port };
}
