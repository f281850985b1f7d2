import type { KeyObject } from "node:crypto";
import { cryptoModule, tlsModule } from "../late_modules.ts";

/** A key as far as it says how it signs. */
export interface KeyKind {
  /** `rsa`, `ec`, `ed25519`. */
  readonly type: string;
  readonly curve: string | undefined;
  readonly bits: number | undefined;
}

/** Keys, certificates and ciphers that are ready for any number of connections. */
export interface TlsContext {
  /** The runtime's. */
  readonly context: unknown;
  /** What handshakes follow from, as it was given. */
  readonly groups: readonly string[] | undefined;
  readonly keys: readonly KeyKind[];
}

/** A version of the protocol, by the library's name. */
type Version = "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";

/** What a context is made of; certificates and keys are PEM text. */
export interface TlsMaterial {
  /** Certificates that may have signed the other side's; "" for none. Never the runtime's own list. */
  readonly ca: string;
  /** Our own chains, each with its key at the same place: RSA and ECDSA may stand side by side. */
  readonly certificates?: readonly string[];
  readonly keys?: readonly string[];
  /** An OpenSSL cipher list, for the versions before TLS 1.3. */
  readonly ciphers?: string | undefined;
  /** The versions that are spoken; the library's own when left out. */
  readonly versions?: { readonly lowest: Version; readonly highest: Version };
  /** Groups to agree on keys in, best first, by the library's names; its own when left out. */
  readonly groups?: readonly string[] | undefined;
  /** As a server, our order of ciphers and groups counts, not the client's. */
  readonly ownOrder?: boolean;
  /** As a server, whether sessions can be resumed; yes when left out. */
  readonly tickets?: boolean;
}

/** OpenSSL's SSL_OP_NO_TICKET. */
const NO_TICKET = 0x4000;

/**
 * Makes a context. Throws when a key does not belong to its certificate, nothing of the cipher list is known, or one of the groups
 * is not.
 */
export function createTlsContext(
  { ca, certificates, keys, ciphers, versions, groups, ownOrder, tickets }: TlsMaterial,
): TlsContext {
  const made = tlsModule().createSecureContext({
    ca,
    ...(certificates !== undefined && { cert: [...certificates] }),
    ...(keys !== undefined && { key: [...keys] }),
    ...(ciphers !== undefined && { ciphers }),
    ...(versions !== undefined && { minVersion: versions.lowest, maxVersion: versions.highest }),
    ...(groups !== undefined && { ecdhCurve: groups.join(":") }),
    honorCipherOrder: ownOrder === true,
    ...(tickets === false && { secureOptions: NO_TICKET }),
  });
  return Object.assign(made, {
    groups,
    keys: (keys ?? []).map((pem) => keyKind(cryptoModule().createPrivateKey(pem))),
  });
}

/** What kind of key that is. */
export function keyKind({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): KeyKind {
  return {
    type: asymmetricKeyType ?? "unknown",
    curve: asymmetricKeyDetails?.namedCurve,
    bits: asymmetricKeyDetails?.modulusLength,
  };
}

/** Whether an OpenSSL cipher list names anything that is known here; a text says what is wrong. */
export function cipherListProblem(ciphers: string): string | undefined {
  try {
    createTlsContext({ ca: "", ciphers });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
