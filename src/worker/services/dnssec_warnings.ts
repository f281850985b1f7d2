import type { Configuration } from "../../config/service.ts";
import { clientDnsLevel } from "../../delivery/smtp/client_settings.ts";
import { parseDnssecProbe, probeDnssec } from "../../dns/dnssec_probe.ts";
import type { AssemblyContext } from "../assembly.ts";
import type { MailWorld } from "./mail_world.ts";

/**
 * Where a client wants validated answers and nobody gives them, the log says so at the start, once for all workers: DANE protects
 * nothing then (dnssec_probe).
 */
export async function warnOfDnssec(
  { configuration, index, logFor }: AssemblyContext,
  world: Pick<MailWorld, "validatedResolver">,
): Promise<void> {
  const probe = parseDnssecProbe(configuration.settings.dnssec_probe);
  const program = firstToValidate(configuration);
  if (index > 0 || program === undefined || probe === undefined) return;
  const log = logFor(configuration.settings);
  const warnings = typeof probe === "string" ? [probe] : await probeDnssec(world.validatedResolver(), probe);
  for (const text of warnings) log.note(program, "warning", text);
}

/** The first client that asks for validation. */
function firstToValidate({ services }: Configuration): "smtp" | "lmtp" | undefined {
  for (const { program, settings } of services) {
    if (program !== "smtp" && program !== "lmtp") continue;
    if (clientDnsLevel(program, settings) === "dnssec") return program;
  }
}
