import type { Configuration } from "../../config/service.ts";
import { type CertificateUse, certificateUses } from "../../tls/own/certificate_uses.ts";
import type { OwnFiles } from "../../tls/own/chain_parameters.ts";
import { sniEntries, sniSources } from "../lending/table_files.ts";

const PARAMETER = "tls_server_sni_maps";

/** All certificates that services show: their own, and those for names that clients ask for. */
export function servedCertificates(configuration: Configuration): CertificateUse[] {
  const own = certificateUses(configuration);
  const named = new Map<string, CertificateUse>();
  for (const { services } of own.filter(({ files }) => files.side === "smtpd")) {
    for (const source of sniSources(configuration, services)) {
      for (const { name, paths } of sniEntries(source)) {
        const key = `${source} ${name}`;
        const before = named.get(key)?.services ?? [];
        named.set(key, { files: filesOf(paths), name, services: [...new Set([...before, ...services])] });
      }
    }
  }
  return [...own, ...named.values()];
}

function filesOf(paths: readonly string[]): OwnFiles {
  const chainFiles = paths.map((path) => ({ parameter: PARAMETER, path }));
  return { side: "smtpd", chainFiles, chainValue: paths.join(", "), pairs: [], isNone: false, warnings: [] };
}
