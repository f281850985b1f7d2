import { TABLE_PARAMETERS } from "../config/parameters/table_parameters.ts";
import type { TableContext } from "./context.ts";
import { LdapPool } from "./ldap/ldap_pool.ts";
import { LdapFault } from "./ldap/ldap_result_codes.ts";
import type { LdapServer } from "./ldap/ldap_servers.ts";
import { type LdapSettings, ldapSettings } from "./ldap/ldap_settings.ts";
import { QueryFileFault, readQueryFile } from "./query_file/query_file.ts";

/** What a server says to a name or password that is not right: no such entry, no name, no such method for it, wrong. */
const NOT_RIGHT = new Set([32, 34, 48, 49]);

/** Whether a password is that of an entry, which the directory says when somebody binds as that entry (RFC 4513 §5.1.3). */
export interface LdapBinder {
  /** Rejects when no server can tell. */
  check(dn: string, password: string): Promise<boolean>;
}

/** Reads servers and TLS of a file as ldap_table(5) has it; or why passwords must not be sent as it says. */
export function openLdapBinder(spec: string, context: TableContext): LdapBinder | { readonly why: string } {
  const name = spec.replace(/^ldap:/, "");
  let settings: LdapSettings;
  try {
    settings = ldapSettings(readQueryFile(name, TABLE_PARAMETERS["ldap"]!, context), context);
  } catch (error) {
    if (error instanceof QueryFileFault) return { why: error.message };
    throw error;
  }
  const open = settings.servers.find((server) => !isSafe(server, settings));
  if (open !== undefined) {
    return { why: `passwords would go to ${open.name} in the clear: set start_tls = yes, or use ldaps:` };
  }
  return { check: (dn, password) => checkAt(settings, context, dn, password) };
}

/** Over TLS, or on this machine. */
function isSafe({ tls, to }: LdapServer, settings: LdapSettings): boolean {
  return tls || settings.tls.startTls || "path" in to || /^(?:127(?:\.\d+){3}|::1|localhost)$/.test(to.host);
}

/** One server after the other, until one has an opinion. */
async function checkAt(
  settings: LdapSettings,
  context: TableContext,
  dn: string,
  password: string,
): Promise<boolean> {
  // An empty password would be nobody's: the server would agree (RFC 4513 §5.1.2).
  if (dn === "" || password === "") return false;
  let trouble: unknown;
  for (const server of settings.servers) {
    const pool = new LdapPool(settings, context);
    try {
      await pool.get(server, { by: "simple", dn, password });
      return true;
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      if (cause instanceof LdapFault && NOT_RIGHT.has(cause.code)) return false;
      trouble = error;
    } finally {
      pool.close();
    }
  }
  throw trouble;
}
