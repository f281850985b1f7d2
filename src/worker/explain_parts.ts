import type { AddressVerifier } from "../access/verifier.ts";
import { listenAddresses } from "../config/listen_address.ts";
import { realWorld } from "../config/world.ts";
import type { OpenSessionParts, SessionParts, SessionPartsPlan } from "../explain/session_parts.ts";
import { openFlush } from "../flush/flush.ts";
import { ownPid } from "../platform/process/signals.ts";
import { believedAuth } from "./explain_login.ts";
import { findingsAgainst } from "./service_relay_proof.ts";
import { openMailWorld } from "./services/mail_world.ts";
import { openSessionParts } from "./services/smtpd_services.ts";

/** Builds what a session is explained with: the parts of the service as a worker has them, with every question watched. */
export const openExplainParts: OpenSessionParts = (plan) => openParts(plan, undefined);

/** The same inside a worker, which knows what address probes have found. */
export function openPartsWith(known: AddressVerifier["known"]): OpenSessionParts {
  return (plan) => openParts(plan, known);
}

function openParts(plan: SessionPartsPlan, known: AddressVerifier["known"] | undefined): SessionParts {
  const { configuration, service, watch, log, edited = (open) => open } = plan;
  const world = openMailWorld(configuration, log, watch);
  const parts = openSessionParts(service, world, log, {
    watchServer: watch.server,
    watchSpf: watch.spf,
    verifier: watch.verifier(known),
    sleep: () => Promise.resolve(),
  });
  return {
    parts: {
      ...parts,
      flushSite: openFlush(service.settings, { openTables: world.openTables, log, send: () => "started" }),
    },
    authFor: (settings, username) => believedAuth(settings, username, world.openTables, log),
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
  { configuration: { settings }, service }: Pick<SessionPartsPlan, "configuration" | "service">,
  own: readonly string[],
): SessionParts["local"] {
  const found = listenAddresses(service.name, settings, realWorld(ownPid(), "explain"));
  const { host, port } = found.is === "addresses" ? found.addresses[0]! : { host: "0.0.0.0", port: 25 };
  const any = host === "0.0.0.0" || host === "::";
  return { address: any ? own[0] ?? "127.0.0.1" : host, port };
}
