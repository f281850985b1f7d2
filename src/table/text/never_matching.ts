/** First words of access(5) actions, and reply codes: a table with these values is an access table. */
const ACCESS_ACTION =
  /^(?:ok|reject|permit|dunno|defer|defer_if_permit|defer_if_reject|discard|hold|warn|info|prepend|redirect|filter|bcc|permit_\w+|reject_\w+|defer_\w+|[45]\d\d)(?=\s|,|$)/i;

const OCTETS = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}\/(\d{1,2})$/;

/** What a network is written like in an access table that is not cidr (access(5)). */
function insteadOfNetwork([, a, b, c, length]: readonly string[]): string {
  const prefix = { 8: a, 16: `${a}.${b}`, 24: `${a}.${b}.${c}` }[Number(length)];
  const cidr = "put it into a cidr: table";
  return prefix === undefined ? cidr : `write "${prefix}", or ${cidr}`;
}

/**
 * Says what to write instead of a key that no lookup in an indexed table can match; undefined for a key that may match. `*` is
 * no wildcard outside transport(5), `*@domain` nowhere, and networks and patterns only in tables of their own type
 * (access(5)). `value` tells an access table from a transport table.
 */
export function neverMatches(key: string, value = ""): string | undefined {
  const access = ACCESS_ACTION.test(value);
  if (key === "*") {
    if (!access) return undefined;
    return 'write what shall happen to all others behind the table in the restriction list (such as "reject"), or use static: or regexp:';
  }
  if (key.startsWith("*@")) return `write "${key.slice(1)}" to match every address of the domain`;
  if (key.startsWith("*.")) {
    return `write "${key.slice(2)}" to match the domain and what is below it, or "${
      key.slice(1)
    }" where parent_domain_matches_subdomains is off`;
  }
  if (key.length > 2 && key.startsWith("/") && /\/[imxsAEUX]*$/.test(key.slice(1))) {
    return "put patterns into a regexp: or pcre: table";
  }
  const network = OCTETS.exec(key);
  return access && network !== null ? insteadOfNetwork(network) : undefined;
}
