import { tlsModule } from "../late_modules.ts";

/** Keys, certificates and ciphers that are ready for any number of connections. What is inside is the runtime's. */
export interface TlsContext {
  readonly context: unknown;
}

/** What a context is made of; certificates and keys are PEM text. */
export interface TlsMaterial {
  /** Certificates that may have signed the other side's; "" for none. Never the runtime's own list. */
  readonly ca: string;
  /** Our own chains, each with its key at the same place: RSA and ECDSA may stand side by side. */
  readonly certificates?: readonly string[];
  readonly keys?: readonly string[];
  /** An OpenSSL cipher list. */
  readonly ciphers?: string | undefined;
}

/** Makes a context. Throws when a key does not belong to its certificate, or nothing of the cipher list is known. */
export function createTlsContext({ ca, certificates, keys, ciphers }: TlsMaterial): TlsContext {
  return tlsModule().createSecureContext({
    ca,
    ...(certificates !== undefined && { cert: [...certificates] }),
    ...(keys !== undefined && { key: [...keys] }),
    ...(ciphers !== undefined && { ciphers }),
  });
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
