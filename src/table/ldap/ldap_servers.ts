import type { ConnectTo } from "../../platform/socket/connection.ts";
import { isLdapUrl, type LdapUrl, parseLdapUrl } from "./ldap_url.ts";
import type { QueryFile } from "../query_file/query_file.ts";

/** A directory server to connect to. */
export interface LdapServer {
  /** The URL, as messages show it. */
  readonly name: string;
  readonly to: ConnectTo;
  /** TLS from the first byte (ldaps). */
  readonly tls: boolean;
  /** The name that its certificate must have. */
  readonly host: string;
}

const LDAP_PORT = 389;
const LDAPS_PORT = 636;
/** Where OpenLDAP's server listens by default. */
const LDAPI_SOCKET = "/var/run/slapd/ldapi";

/** The server that a URL names. */
export function serverOfUrl(url: LdapUrl, name: string): LdapServer {
  const { scheme, port } = url;
  if (scheme === "ldapi") {
    return { name, to: { path: url.host || LDAPI_SOCKET }, tls: false, host: "localhost" };
  }
  const host = url.host || "localhost";
  const tls = scheme === "ldaps";
  return { name, to: { host, port: port ?? (tls ? LDAPS_PORT : LDAP_PORT) }, tls, host };
}

/** `server_host`: URLs, hosts and host:port in the order in which they are tried (ldap_table(5)). */
export function ldapServers(
  file: QueryFile,
  warn: (attribute: string, text: string) => void,
): readonly LdapServer[] {
  const port = file.integer("server_port", LDAP_PORT, 1, 65_535);
  const items = file.list("server_host");
  const servers = (items.length === 0 ? ["localhost"] : items).map((item) => {
    const text = isLdapUrl(item) ? item : `ldap://${/:[0-9]+$/.test(item) ? item : `${item}:${port}`}`;
    const url = parseLdapUrl(text);
    if (typeof url === "string") {
      return file.refuse("server_host", `error parsing URL ${text}: ${url}`);
    }
    if (url.dn !== "" || url.attributes.length > 0 || url.filter !== undefined || url.scope !== undefined) {
      warn("server_host", `only scheme, host and port of ${item} have an effect`);
    }
    return serverOfUrl(url, text);
  });
  return servers;
}
