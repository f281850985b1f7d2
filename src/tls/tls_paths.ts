import type { Configuration, Service } from "../config/service.ts";
import {
  LMTP_CHAIN_PARAMETERS,
  SMTP_CHAIN_PARAMETERS,
  SMTPD_CHAIN_PARAMETERS,
} from "./own/chain_parameters.ts";

/** What TLS reads: files with keys, certificates and authorities, and folders with authorities. */
export interface TlsPaths {
  readonly files: ReadonlySet<string>;
  readonly folders: ReadonlySet<string>;
}

/** Parameters that name files beside those of our own certificates. */
const FILES = [
  "smtpd_tls_CAfile",
  "smtp_tls_CAfile",
  "lmtp_tls_CAfile",
  "smtp_tls_trust_anchor_file",
  "lmtp_tls_trust_anchor_file",
];
const FOLDERS = ["smtpd_tls_CApath", "smtp_tls_CApath", "lmtp_tls_CApath"];

/** All that main.cf and master.cf name for TLS, of the services that each value counts for. */
export function tlsPathsOf(configuration: Configuration): TlsPaths {
  const each = [configuration, ...configuration.services];
  const named = (names: readonly string[]) => new Set(each.flatMap((of) => pathsIn(of, names)));
  // What ACME keeps belongs to the workers.
  const own = [...SMTPD_CHAIN_PARAMETERS, ...SMTP_CHAIN_PARAMETERS, ...LMTP_CHAIN_PARAMETERS]
    .filter((name) => /_files?$/.test(name));
  return { files: named([...own, ...FILES]), folders: named(FOLDERS) };
}

/** Some of the values are lists; what is no path (`none`) is none. */
function pathsIn(of: Pick<Service, "parameter">, names: readonly string[]): string[] {
  return names.flatMap((name) => (of.parameter(name) ?? "").split(/[\s,]+/))
    .filter((path) => path.startsWith("/"));
}
