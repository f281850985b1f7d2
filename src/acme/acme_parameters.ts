import { asciiDomain } from "../address/idna.ts";
import { splitList } from "../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";

/** What a certificate is ordered by. */
export const ACME_PARAMETERS = [
  "acme_agree_to_terms",
  "acme_ca_file",
  "acme_directory",
  "acme_domains",
  "acme_email",
  "acme_http_listen",
  "acme_tls_listen",
  "data_directory",
  "dns_servers",
  "inet_protocols",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type AcmeSettings = SettingsOf<typeof ACME_PARAMETERS>;

/** The names of the certificate, in ASCII; none: ACME is off. */
export function acmeNames({ acme_domains }: Pick<AcmeSettings, "acme_domains">): readonly string[] {
  return [...new Set(splitList(acme_domains).map((name) => asciiDomain(name).toLowerCase()))];
}
