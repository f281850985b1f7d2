import { type MaybeAsync, then } from "../../../base/maybe_async.ts";
import { isInternationalHostname } from "../../../address/hostname.ts";
import type { Maps } from "../../../table/search/maps.ts";
import type { Answer } from "../../../table/table.ts";
import {
  type ClientLevel,
  type ClientTlsPolicy,
  CONFIGURATION_PROBLEM,
  isPolicyFault,
  type PolicyDraft,
  type PolicyFault,
  type Warned,
} from "../../../tls/client_policy.ts";
import type { ClientTlsSettings } from "../../../tls/client/client_tls_settings.ts";
import { completePolicy } from "../../../tls/client/complete_policy.ts";
import { combinedSiteLevel, parsePolicy, siteLevel } from "../../../tls/client/policy_text.ts";
import type { TrustAnchorFiles } from "../../../tls/verification/trust_anchors.ts";
import type { MxDomain, Target } from "../route/address_list.ts";

/** A next hop. */
export interface PolicyDestination {
  /** As written: `example.com`, `[mail.example.com]:587`, the path of a socket. */
  readonly nexthop: string;
  /** Without brackets and port. */
  readonly domain: string;
  /** 0 for a socket. */
  readonly port: number;
}

/** A server on the way to a next hop. */
export interface PolicyServer extends PolicyDestination {
  readonly host: string;
  /** What the DNS says of it; undefined for a socket. */
  readonly target: Target | undefined;
  readonly mx: MxDomain | undefined;
}

/** Changes what a table or main.cf says by what is found out about the server: `dane`, MTA-STS. */
export type RefinePolicy = (
  draft: PolicyDraft,
  server: PolicyServer,
) => MaybeAsync<Warned<PolicyDraft | PolicyFault>>;

/** The client's policies of TLS. What is wrong with one is in the log when it is asked for. */
export interface ClientPolicies {
  /** What a next hop's own entry says; of servers in it nothing is known yet. */
  nexthop(destination: PolicyDestination): MaybeAsync<PolicyDraft | PolicyFault>;
  /** What is demanded of one server, `draft` being its next hop's. */
  server(draft: PolicyDraft | PolicyFault, server: PolicyServer): MaybeAsync<ClientTlsPolicy | PolicyFault>;
}

/** Adds to what main.cf says of a next hop what is found out about its domain: MTA-STS. */
export type ExtendPolicy = (draft: PolicyDraft, destination: PolicyDestination) => MaybeAsync<PolicyDraft>;

interface PolicyTools {
  readonly settings: ClientTlsSettings;
  readonly policyMaps: Maps | undefined;
  /** Counts only without `policyMaps`. */
  readonly perSite: Maps | undefined;
  readonly refine: RefinePolicy;
  readonly extend?: ExtendPolicy | undefined;
  readonly files: TrustAnchorFiles;
  readonly warn: (text: string) => void;
}

/** Opens them (smtp_tls_policy_maps, smtp_tls_per_site). */
export function openClientPolicies(tools: PolicyTools): ClientPolicies {
  const { settings, policyMaps, perSite, refine, extend = (draft) => draft, files } = tools;
  const told = <T>({ is, warnings }: Warned<T>): T => {
    warnings.forEach(tools.warn);
    return is;
  };
  const general: PolicyDraft = { level: settings.level, isGiven: false };
  const finished = (draft: PolicyDraft | PolicyFault, { nexthop }: PolicyServer) =>
    isPolicyFault(draft) ? draft : told(completePolicy(draft, settings, nexthop, files));
  return {
    nexthop: (destination) =>
      policyMaps === undefined ? extend(general, destination) : then(
        fromTable(policyMaps, destination.nexthop, tools),
        (found) => found ? told(found) : extend(general, destination),
      ),
    server(draft, server) {
      if (isPolicyFault(draft)) return draft;
      if (draft.isLimited) return finished(draft, server);
      const sited = policyMaps === undefined && perSite !== undefined
        ? then(fromSites(perSite, server, tools), (found) => ofSites(told(found), draft))
        : draft;
      return then(
        sited,
        (found) =>
          isPolicyFault(found)
            ? found
            : then(refine(found, server), (refined) => finished(told(refined), server)),
      );
    },
  };
}

/** What the older table says takes the place of main.cf's level, where it says something. */
function ofSites(found: PolicyDraft | PolicyFault, draft: PolicyDraft): PolicyDraft | PolicyFault {
  return isPolicyFault(found) || found.isGiven ? found : draft;
}

/** The entry for the next hop as it is written, else for a parent domain with its leading dot. */
function fromTable(
  maps: Maps,
  nexthop: string,
  { settings, files }: PolicyTools,
): MaybeAsync<Warned<PolicyDraft | PolicyFault> | undefined> {
  const keys = keysOf(nexthop);
  const read = (answer: Answer, key: string) => {
    const where = `${settings.program}_tls_policy_maps, next-hop destination "${key}"`;
    if (answer.is === "absent") return undefined;
    if (answer.is === "found") {
      return parsePolicy(answer.value, { where, digest: settings.fingerprintDigest, trustAnchors: files });
    }
    return { is: CONFIGURATION_PROBLEM, warnings: [answer.why, `${where}: policy table lookup error`] };
  };
  const ask = (at: number): MaybeAsync<Warned<PolicyDraft | PolicyFault> | undefined> => {
    const key = keys[at];
    return key === undefined
      ? undefined
      : then(maps.find(key.toLowerCase()), (answer) => read(answer, key) ?? ask(at + 1));
  };
  return ask(0);
}

/** Parents count for a bare domain alone: brackets and ports are those of a next hop, not of a recipient's domain. */
function keysOf(nexthop: string): readonly string[] {
  const keys = [nexthop];
  if (!isInternationalHostname(nexthop)) return keys;
  for (let dot = nexthop.indexOf(".", 1); dot >= 0; dot = nexthop.indexOf(".", dot + 1)) {
    keys.push(nexthop.slice(dot));
  }
  return keys;
}

/** The older table is asked for the next hop and for the host (smtp_tls_per_site). */
async function fromSites(
  maps: Maps,
  { nexthop, host }: PolicyServer,
  { settings }: PolicyTools,
): Promise<Warned<PolicyDraft | PolicyFault>> {
  const title = `${settings.program}_tls_per_site`;
  const sites: [string, string][] = [["next-hop destination", nexthop]];
  if (host.toLowerCase() !== nexthop.toLowerCase()) sites.push(["server hostname", host]);
  const levels: ClientLevel[] = [];
  for (const [what, name] of sites) {
    const answer = await maps.find(name.toLowerCase());
    if (answer.is === "absent") continue;
    if (answer.is === "trouble") {
      const warnings = [answer.why, `${title}: ${what} "${name}": per-site table lookup error`];
      return { is: { status: "4.3.0", text: "Temporary lookup error" }, warnings };
    }
    const level = siteLevel(answer.value);
    if (level === undefined) {
      const warnings = [`${title}: unknown TLS policy '${answer.value}' for ${what} ${name}`];
      return { is: CONFIGURATION_PROBLEM, warnings };
    }
    levels.push(level);
  }
  const level = combinedSiteLevel(levels, settings.level);
  return { is: { level, isGiven: levels.length > 0 }, warnings: [] };
}
