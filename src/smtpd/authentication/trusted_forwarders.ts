import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { ArcLink } from "../../mailauth/arc/arc_result.ts";
import type { AuthResult } from "../../mailauth/auth_result.ts";
import { dnsDomain } from "../../mailauth/dmarc/author_domains.ts";
import type { DmarcResult } from "../../mailauth/dmarc/dmarc_result.ts";
import type { MessageResult } from "../../mailauth/message_check.ts";
import { parseResults } from "../../mailauth/results/parse_results.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import { addressKeys, domainKeys } from "../../table/search/host_keys.ts";

/** The client as it is looked for. */
export interface ForwardingClient {
  readonly address: string;
  /** Verified, or "unknown". */
  readonly name: string;
}

/** Tells by whose word a message that fails DMARC passes; undefined where by nobody's. */
export type TrustedForwarders = (
  client: ForwardingClient,
  result: Pick<MessageResult, "arc" | "dmarc" | "fields">,
) => MaybeAsync<string | undefined>;

/** Opens trusted_forwarders. A table that cannot be asked trusts nobody, and `warn` hears of it. */
export function openTrustedForwarders(maps: OpenMaps, warn: (text: string) => void): TrustedForwarders {
  const has = async (keys: readonly string[]): Promise<boolean> => {
    for (const [at, key] of keys.entries()) {
      const answer = await (at === 0 ? maps.whole : maps.partial).find(key);
      if (answer.is === "trouble") {
        warn(`${maps.title}: lookup error for "${key.slice(0, 100)}": ${answer.why}`);
      }
      if (answer.is !== "absent") return answer.is === "found";
    }
    return false;
  };
  const hasDomain = (domain: string) => has(domainKeys(domain, false));
  return async ({ address, name }, { arc, dmarc, fields }) => {
    if (dmarc.is !== "fail") return undefined;
    if (name !== "unknown" && await hasDomain(name.toLowerCase())) return `trusted forwarder ${name}`;
    if (await has(addressKeys(address))) return `trusted forwarder ${address}`;
    if (arc.is !== "pass" || arc.unsignedBytes !== undefined) return undefined;
    const list = listId(fields);
    for (const link of arc.links) {
      const isTrusted = await hasDomain(link.domain) ||
        (list !== undefined && isWithin(list, link.domain) && await hasDomain(list));
      if (!isTrusted) return undefined;
      if (sawPass(link, dmarc)) return `arc=pass, sealed by ${link.domain}`;
    }
    return undefined;
  };
}

const isWithin = (domain: string, parent: string) => domain === parent || domain.endsWith(`.${parent}`);

/** The name of a mailing list (RFC 2919), where there is one; anybody can write it. */
function listId(fields: readonly string[]): string | undefined {
  const ids = fields.filter((field) => /^list-id[ \t]*:/i.test(field));
  const [, id] = ids.length === 1 ? /<([^<>\s]{1,253})>[ \t\r\n]*$/.exec(ids[0]!) ?? [] : [];
  return id === undefined ? undefined : dnsDomain(id);
}

const valueOf = ({ properties }: AuthResult, type: string, ...names: readonly string[]) =>
  properties.find((each) => each.type === type && names.includes(each.name))?.value ?? "";

/** Whether whoever sealed saw the message pass (RFC 8617 §7.2.1): DMARC for the author, or SPF or DKIM of his organization. */
function sawPass(
  { authenticationResults }: ArcLink,
  { domain, policyDomain, organizational }: DmarcResult,
): boolean {
  const results = parseResults(authenticationResults)?.results ?? [];
  const dmarc = results.filter(({ method }) => method === "dmarc");
  if (dmarc.length > 0) {
    return dmarc.some((each) =>
      each.result === "pass" && valueOf(each, "header", "from").toLowerCase() === domain
    );
  }
  const ours = organizational ?? policyDomain ?? domain;
  return results.some((each) => {
    if (each.result !== "pass") return false;
    const value = each.method === "dkim"
      ? valueOf(each, "header", "d", "i")
      : each.method === "spf"
      ? valueOf(each, "smtp", "mailfrom")
      : "";
    const of = value.slice(value.lastIndexOf("@") + 1).toLowerCase();
    return of !== "" && isWithin(of, ours);
  });
}
