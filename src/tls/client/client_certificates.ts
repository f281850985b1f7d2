import { createTlsContext } from "../../platform/socket/tls_context.ts";
import { materialOf } from "../own/chain.ts";
import { type ChainSettings, ownFilesOf } from "../own/chain_parameters.ts";
import type { OwnMaterial } from "./client_engine.ts";
import { OwnCertificates } from "../own/own_certificates.ts";
import type { Unusable } from "../protocols.ts";
import type { TlsFiles } from "../tls_files.ts";

/** Our certificates as a client, for a server that asks: undefined for none (smtp_tls_chain_files, smtp_tls_cert_file). */
export function clientCertificates<Side extends "smtp" | "lmtp">(
  side: Side,
  settings: ChainSettings<Side>,
  files: TlsFiles,
  warn: (text: string) => void,
): () => OwnMaterial | Unusable | undefined {
  const own = ownFilesOf(side, settings);
  own.warnings.forEach(warn);
  if (own.chainFiles.length === 0 && own.pairs.length === 0) return () => undefined;
  let material: OwnMaterial | undefined;
  const certificates = new OwnCertificates({
    files: own,
    world: files,
    makeContext(chains) {
      const made = materialOf(chains);
      const context = createTlsContext({ ca: "", ...made });
      material = made;
      return context;
    },
    heard(attempt) {
      if (attempt.is === "loaded") return attempt.notes.forEach(warn);
      // Master tells of files that have gone bad, once for all workers.
      if (attempt.is === "unavailable") [...attempt.fault.words, attempt.fault.fix].forEach(warn);
    },
  });
  return () => {
    if (certificates.current() !== undefined) return material;
    return {
      problem: certificates.trouble?.words.at(-1) ?? "there is no certificate: disabling TLS support",
    };
  };
}
