import { asciiDomain } from "../../address/idna.ts";
import {
  domainTargets,
  hostTargets,
  type MxDomain,
  type Target,
} from "../../delivery/smtp/route/address_list.ts";
import type { Peer } from "../../delivery/smtp/peer.ts";
import type { PolicyDraft } from "../../tls/client_policy.ts";
import type { TlsaRecord } from "../../tls/dane/dane.ts";
import { tellsDaneRecords } from "../../tls/log_level.ts";
import type { FingerDestination } from "./_finger_destination.ts";
import { hostLevel } from "./_finger_level.ts";
import type { FingerOutput } from "./_finger_output.ts";
import type { FingerSetup } from "./_finger_setup.ts";

/** A server that may be asked, or why it is passed over. */
export type Candidate =
  & { readonly host: string }
  & (
    | { readonly peer: Peer; readonly draft: PolicyDraft; readonly records: readonly TlsaRecord[] }
    | { readonly problem: string }
  );

/** The hosts of a destination, in the order in which they are tried, each with what its level comes to. */
export async function* candidates(
  destination: FingerDestination,
  setup: FingerSetup,
  output: FingerOutput,
): AsyncGenerator<Candidate> {
  const { client: { myhostname }, draft } = setup;
  if (destination.is === "socket") {
    const peer = { host: myhostname, address: destination.path, port: 0 };
    return yield { host: myhostname, peer, draft: withoutDns(draft), records: [] };
  }
  const { targets, mx, failure, warnings = [] } = await lookUp(destination, setup);
  warnings.forEach(output.warn);
  if (targets.length === 0) output.say(`Destination address lookup failed: ${failure?.text ?? "no address"}`);
  for (const target of targets) yield await candidate(target, destination.port, mx, setup, output);
}

/** Nothing in the DNS speaks of a socket of this machine. */
function withoutDns(draft: PolicyDraft): PolicyDraft {
  return draft.level === "dane" || draft.level === "dane-only" ? { ...draft, level: "secure" } : draft;
}

async function lookUp({ host, literal }: FingerDestination & { is: "host" }, { lookups }: FingerSetup) {
  const name = asciiDomain(host) || host;
  return literal ? await hostTargets(lookups, name, false) : await domainTargets(lookups, name, false);
}

async function candidate(
  target: Target,
  port: number,
  mx: MxDomain | undefined,
  { options, lookups, digests, draft, tls: { log } }: FingerSetup,
  output: FingerOutput,
): Promise<Candidate> {
  const { insecureMx, forceTlsa, verbose } = options;
  const tellsRecords = tellsDaneRecords(log);
  const context = {
    resolver: lookups.resolver,
    digests,
    insecureMx,
    forceTlsa,
    verbose,
    tellsRecords,
    ...output,
  };
  const found = await hostLevel(draft, target, port, mx, context);
  const { host, address } = target;
  return "problem" in found ? { host, ...found } : { host, peer: { host, address, port }, ...found };
}
