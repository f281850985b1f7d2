import type { TlsOutcome } from "./tls_outcome.ts";

/** Where the clients tell what became of TLS (RFC 8460). */
export interface TlsReporting {
  /** Whether a domain wants to be told. */
  wanted(domain: string): Promise<boolean>;
  /** One session with a domain that wants it. Never fails. */
  count(domain: string, outcome: TlsOutcome): void;
}
