import type { OwnCertificate, PrivateKey } from "../../platform/key_pair.ts";

/** A key, its certificate and the certificates of those who signed it. */
export interface Chain {
  readonly key: PrivateKey;
  readonly certificate: OwnCertificate;
  readonly issuers: readonly OwnCertificate[];
  /** For the TLS library: the certificates and the key, PEM. */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** The files that certificate and key come from. */
  readonly certificateSource: string;
  readonly keySource: string;
}

/** Chains in use, one for each algorithm: a side shows the one that the other side understands. */
export type Chains = ReadonlyMap<string, Chain>;

/** Why there is no certificate to show: Postfix's words, line by line, and what would help, which names the file. */
export interface ChainFault {
  readonly words: readonly string[];
  readonly fix: string;
  /** The system did not give the file, or too little of anything: worth another try without a change. */
  readonly isOfSystem: boolean;
}

/** Chains as one text, each key before its certificates. */
export function pemOf(chains: Chains): string {
  return [...chains.values()].map(({ keyPem, certificatePem }) => `${keyPem}\n${certificatePem}\n`).join("");
}

/** What a TLS context needs of our own certificates. */
export function materialOf(chains: Chains): {
  readonly certificates: readonly string[];
  readonly keys: readonly string[];
} {
  const all = [...chains.values()];
  return {
    certificates: all.map(({ certificatePem }) => certificatePem),
    keys: all.map(({ keyPem }) => keyPem),
  };
}
