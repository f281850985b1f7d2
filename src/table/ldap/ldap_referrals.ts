import type { LdapSearch } from "./ldap_codec.ts";
import type { LdapFound } from "./ldap_connection.ts";
import { parseFilter } from "./ldap_filter.ts";
import { LdapFault, REFERRAL } from "./ldap_result_codes.ts";
import { type LdapServer, serverOfUrl } from "./ldap_servers.ts";
import { parseLdapUrl } from "./ldap_url.ts";

/** Hops from one server to the next (libldap's default). */
const HOPS = 5;

/** Asks a server; rejects with an LdapFault. */
export type SearchOn = (server: LdapServer, search: LdapSearch) => Promise<LdapFound>;

/** A search that goes on at the servers that it is referred to (chase_referrals = yes). Rejects with an LdapFault. */
export async function searchWithReferrals(
  first: () => Promise<LdapFound>,
  search: LdapSearch,
  on: SearchOn,
  hops = 0,
): Promise<LdapFound> {
  let found: LdapFound;
  try {
    found = await first();
  } catch (error) {
    if (!(error instanceof LdapFault) || error.code !== REFERRAL) throw error;
    found = { entries: [], referrals: [error.urls] };
  }
  const more = [];
  for (const urls of found.referrals) more.push(await followOne(urls, search, on, hops + 1));
  return { entries: [...found.entries, ...more.flatMap(({ entries }) => entries)], referrals: [] };
}

/** The first of several servers that answers. */
async function followOne(
  urls: readonly string[],
  search: LdapSearch,
  on: SearchOn,
  hops: number,
): Promise<LdapFound> {
  if (hops > HOPS) throw new LdapFault(REFERRAL, `more than ${HOPS} referrals in a row`);
  let failure: unknown = new LdapFault(REFERRAL, "without a URL");
  for (const text of urls) {
    try {
      const { server, search: there } = referred(text, search);
      return await searchWithReferrals(() => on(server, there), there, on, hops);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** What a URL says of the search, in place of what it was (RFC 4511 §4.1.10, §4.5.3). */
function referred(text: string, search: LdapSearch): { server: LdapServer; search: LdapSearch } {
  const url = parseLdapUrl(text);
  if (typeof url === "string") throw new LdapFault(REFERRAL, `${text}: ${url}`);
  const server = serverOfUrl(url, `${url.scheme}://${url.host}:${url.port ?? ""}`);
  return {
    server,
    search: {
      ...search,
      base: url.dn === "" ? search.base : url.dn,
      scope: url.scope ?? search.scope,
      filter: url.filter === undefined ? search.filter : parseFilter(url.filter),
    },
  };
}
