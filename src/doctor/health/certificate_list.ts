import type { Configuration } from "../../config/service.ts";
import { certificateUses } from "../../tls/own/certificate_uses.ts";
import { loadOwnChains } from "../../tls/own/chain_files.ts";
import { expiryOf } from "../../tls/own/chain_problems.ts";
import type { TlsFiles } from "../../tls/tls_files.ts";

/** How many certificates are shown and when the first of them ends, where nothing is wrong with any. */
export function certificatesText(configuration: Configuration, files: TlsFiles): string {
  const ends = certificateUses(configuration).flatMap((use) => {
    const loaded = loadOwnChains(use.files, (path) => files.read(path));
    return loaded.is === "loaded" ? [...loaded.chains.values()].map(expiryOf) : [];
  });
  if (ends.length === 0) return "none in use (smtpd_tls_security_level, smtpd_tls_chain_files)";
  const first = new Date(Math.min(...ends)).toISOString().slice(0, 10);
  return `${ends.length} in use, good until ${first}`;
}
