import { then } from "../../base/maybe_async.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import type { DnsAnswer } from "../../dns/answer.ts";
import { queryName } from "../../dns/name.ts";
import type { FindAddress } from "../../rewrite/find_address.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import type { Maps } from "../../table/search/maps.ts";
import type { Answer } from "../../table/table.ts";
import { type Failure, localFailure } from "./failure.ts";
import type { RewritingTools } from "./content/generic.ts";
import type { Demand } from "./session_key.ts";

/** What an operator may demand of the client and it cannot do, by what follows `smtp_` or `lmtp_`: TLS, a login. */
const DEMANDED = [
  "tls_security_level",
  "tls_wrappermode",
  "enforce_tls",
  "tls_policy_maps",
  "tls_per_site",
  "sasl_auth_enable",
  "sasl_password_maps",
  "sender_dependent_authentication",
] as const;

type DemandParameter = `${"smtp" | "lmtp"}_${(typeof DEMANDED)[number]}`;

/** The parameters that demand it. */
export const CLIENT_DEMANDS: readonly DemandParameter[] = DEMANDED.flatMap((
  each,
): DemandParameter[] => [`smtp_${each}`, `lmtp_${each}`]);

/** Their values. */
export type DemandSettings = Pick<Settings, DemandParameter>;

/**
 * What is demanded of a connection, or why mail must not go out over this client, which has neither TLS nor SASL: an operator
 * who demands them would rather have it wait than see it sent in the clear, or refused for good by a relay that wants a login.
 */
export interface ClientDemands {
  /** For a next hop, as written (`example.com`, `[host]:587`), and the sender. */
  nexthop(nexthop: string, sender: string): MaybeAsync<Demand | Failure>;
  /** The same for a host that was found on the way there. */
  host(name: string, demand: Demand): MaybeAsync<Demand | Failure>;
  /** Why a server may not be spoken to at all, before it is. */
  server(demand: Demand, host: string, port: number): MaybeAsync<Failure | undefined>;
}

/** Tells a demand that cannot be met. */
export function isUnmet(demand: Demand | Failure): demand is Failure {
  return "status" in demand;
}

/** Looks for what a host publishes about its certificates (RFC 6698). */
type FindTlsa = (name: string) => Promise<DnsAnswer<"TLSA">>;

/** Levels that allow no clear text (postconf(5), smtp_tls_security_level). `dane` does for hosts without TLSA records. */
const MANDATORY = new Set(["encrypt", "dane-only", "fingerprint", "verify", "secure"]);

const NO_TLS = localFailure("4.7.5", "TLS is required, but our TLS engine is unavailable");

/** Reads the demands of one client service. */
export function openClientDemands(
  program: "smtp" | "lmtp",
  settings: DemandSettings,
  tools: RewritingTools | undefined,
  findTlsa: FindTlsa,
): ClientDemands {
  const openTables = tools?.openTables;
  const level = settings[`${program}_tls_security_level`];
  const general = level === "" && settings[`${program}_enforce_tls`] ? "encrypt" : level || "none";
  const policies = openTables?.maps(settings[`${program}_tls_policy_maps`], `${program}_tls_policy_maps`)
    ?.whole;
  const perSite = policies !== undefined || level !== ""
    ? undefined
    : openTables?.maps(settings[`${program}_tls_per_site`], `${program}_tls_per_site`)?.whole;
  const passwords = settings[`${program}_sasl_auth_enable`]
    ? openTables?.maps(settings[`${program}_sasl_password_maps`], `${program}_sasl_password_maps`)
    : undefined;
  const bySender = settings[`${program}_sender_dependent_authentication`] ? tools?.find : undefined;
  const whatever = settings[`${program}_tls_wrappermode`] ? NO_TLS : undefined;
  return {
    nexthop: (nexthop, sender) =>
      then(tlsLevel(nexthop, general, policies ?? perSite), (policy) => {
        if (typeof policy !== "string") return policy;
        if (MANDATORY.has(policy)) return NO_TLS;
        return whatever ?? then(
          senderDemand(passwords, bySender, sender),
          (first) =>
            first ?? then(loginDemand(passwords, nexthop), (unmet) => unmet ?? { policy, login: undefined }),
        );
      }),
    host: (name, demand) => whatever ?? then(loginDemand(passwords, name), (unmet) => unmet ?? demand),
    server: ({ policy }, host, port) => policy === "dane" ? daneDemand(host, port, findTlsa) : undefined,
  };
}

/** The policy of a next hop decides alone where there is one; then the level of all (smtp_tls_policy_maps). */
function tlsLevel(nexthop: string, general: string, table: Maps | undefined): MaybeAsync<string | Failure> {
  if (table === undefined) return general;
  return then(firstOf(table, policyKeys(nexthop)), (answer) => {
    if (answer.is === "trouble") return localFailure("4.7.5", `TLS policy lookup error: ${answer.why}`);
    return answer.is === "found" ? levelIn(answer.value) : general;
  });
}

function levelIn(policy: string): string {
  const word = policy.trim().split(/[\s,]/)[0]!.toLowerCase();
  return word === "must" || word === "must_nopeermatch" ? "encrypt" : word;
}

/** A host that publishes TLSA records is not spoken to in the clear; nor one of which that cannot be found out (RFC 7672 §2.1). */
async function daneDemand(host: string, port: number, find: FindTlsa): Promise<Failure | undefined> {
  if (queryName(host) === undefined || /^[\d.]+$/.test(host)) return undefined;
  const answer = await find(`_${port}._tcp.${host}`);
  if (answer.is === "records") return NO_TLS;
  if (answer.is !== "trouble") return undefined;
  return localFailure("4.7.5", `TLSA lookup error for ${host}:${port}: ${answer.why}`);
}

/** The next hop as written, then each parent domain with a leading dot. */
function policyKeys(nexthop: string): readonly string[] {
  const keys = [nexthop.toLowerCase()];
  if (queryName(nexthop) === undefined) return keys;
  for (let dot = nexthop.indexOf(".", 1); dot >= 0; dot = nexthop.indexOf(".", dot + 1)) {
    keys.push(nexthop.slice(dot).toLowerCase());
  }
  return keys;
}

function firstOf(table: Maps, [key = "", ...rest]: readonly string[]): MaybeAsync<Answer> {
  return then(
    table.find(key),
    (answer) => answer.is === "absent" && rest.length > 0 ? firstOf(table, rest) : answer,
  );
}

/** A password for the sender or its domain, where those are asked for at all (smtp_sender_dependent_authentication). */
function senderDemand(
  passwords: OpenMaps | undefined,
  find: FindAddress | undefined,
  sender: string,
): MaybeAsync<Failure | undefined> {
  if (passwords === undefined || find === undefined || sender === "") return undefined;
  return then(find(passwords, sender), ({ answer }) => demandOf(answer, sender));
}

function loginDemand(passwords: OpenMaps | undefined, key: string): MaybeAsync<Failure | undefined> {
  if (passwords === undefined || key === "") return undefined;
  return then(passwords.whole.find(key), (answer) => demandOf(answer, key));
}

function demandOf(answer: Answer, who: string): Failure | undefined {
  if (answer.is === "trouble") return localFailure("4.7.0", `SASL password lookup error: ${answer.why}`);
  if (answer.is === "absent") return undefined;
  return localFailure("4.7.0", `SASL authentication failed; this client cannot log in, as ${who} demands`);
}
