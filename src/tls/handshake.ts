import type { TlsFacts } from "../platform/socket/start_tls.ts";

/** A signature of a handshake: the name of its method, the key's curve or size, and the digest where it has one. */
export type Signature = NonNullable<TlsFacts["serverSignature"]>;

/** What a handshake was, as far as log lines and Received headers tell of it. */
export type Handshake = Pick<
  TlsFacts,
  "protocol" | "cipher" | "bits" | "keyExchange" | "serverSignature" | "clientSignature"
>;

/** `TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)`. */
export function cipherText({ protocol, cipher, bits }: Handshake): string {
  return `${protocol} with cipher ${cipher} (${bits}/${bits} bits)`;
}

/** `key-exchange X25519`; undefined before TLS 1.3, where the cipher's name says it. */
export function keyExchangeText({ keyExchange }: Handshake): string | undefined {
  return keyExchange === undefined ? undefined : `key-exchange ${keyExchange}`;
}

/** `server-signature RSA-PSS (2048 bits) server-digest SHA256`; undefined where nothing was signed, as in a resumed session. */
export function signatureText(
  side: "server" | "client",
  signature: Signature | undefined,
): string | undefined {
  if (signature === undefined) return undefined;
  const { method, key, digest } = signature;
  const size = key === undefined ? "" : ` (${key})`;
  const hash = digest === undefined ? "" : ` ${side}-digest ${digest}`;
  return `${side}-signature ${method}${size}${hash}`;
}
