import { closeServices } from "../../config/close_services.ts";
import type { Configuration } from "../../config/service.ts";
import type { World } from "../../config/world.ts";
import { proveServices, type RelayFinding } from "../../worker/service_relay_proof.ts";
import type { Finding, Severity } from "./finding.ts";

const OF_LEVEL: Readonly<Record<RelayFinding["level"], Severity>> = {
  fatal: "closed",
  warning: "warning",
  info: "info",
};

/** What the proof against open relay says: a service through which a stranger relays is closed. */
export function relayFinding({ level, text, service }: RelayFinding): Finding {
  return {
    severity: OF_LEVEL[level],
    text,
    ...(service !== undefined && { service }),
    ...(level === "fatal" && service !== undefined &&
      { closes: [service], consequence: "an open relay is closed" }),
  };
}

/** The configuration with every service closed that the proof shows to be an open relay, and all that it has to say. */
export async function closeRelays(
  configuration: Configuration,
  world: World,
): Promise<{ readonly configuration: Configuration; readonly findings: readonly Finding[] }> {
  const findings = (await proveServices(configuration, world)).map(relayFinding);
  const closed = new Map(
    findings.flatMap(({ closes = [], text }) => closes.map((key) => [key, text.split("\n", 1)[0]!] as const)),
  );
  return { configuration: closeServices(configuration, closed), findings };
}
