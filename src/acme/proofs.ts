import { createTlsContext, type TlsContext } from "../platform/socket/tls_context.ts";
import { alpnCertificate } from "./alpn_certificate.ts";
import type { Challenges } from "./challenges.ts";

/** What shows an authority that a name leads here. */
export interface Proof {
  readonly name: string;
  readonly token: string;
  /** The key authorization (RFC 8555 §8.1). */
  readonly answer: string;
}

/** A way to show it. */
export interface Proofs {
  readonly type: "http-01" | "tls-alpn-01";
  /** Where the authority comes to look. */
  readonly port: 80 | 443;
  show(proof: Proof): void;
  hide(proof: Proof): void;
}

/** By HTTP (RFC 8555 §8.3). */
export function httpProofs(challenges: Challenges): Proofs {
  return {
    type: "http-01",
    port: 80,
    show: ({ token, answer }) => challenges.add(token, answer),
    hide: ({ token }) => challenges.remove(token),
  };
}

/** The protocol of TLS in which the authority asks (RFC 8737 §6.2). */
export const ALPN_PROTOCOL = "acme-tls/1";
/** Proofs at a time: one for each name of an order. */
const MOST = 100;

/** By TLS (RFC 8737): a certificate for the name, in a handshake of its own protocol. */
export class TlsProofs implements Proofs {
  readonly type = "tls-alpn-01";
  readonly port = 443;
  readonly #contexts = new Map<string, TlsContext>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  show({ name, answer }: Proof): void {
    if (this.#contexts.size >= MOST) return;
    const { certificate, key } = alpnCertificate(name, answer, this.#now());
    this.#contexts.set(
      name.toLowerCase(),
      createTlsContext({ ca: "", certificates: [certificate], keys: [key] }),
    );
  }

  hide({ name }: Proof): void {
    this.#contexts.delete(name.toLowerCase());
  }

  /** What whoever asks for a name is shown. */
  contextFor(name: string): TlsContext | undefined {
    return this.#contexts.get(name.toLowerCase());
  }
}
