import type { MaybeAsync } from "../../base/maybe_async.ts";

/** What a key signs with (RFC 8301 §3.1, RFC 8463 §3). */
export type SigningAlgorithm = "rsa-sha256" | "ed25519-sha256";

/** A private key and where its public half is published: `selector._domainkey.domain`. */
export interface SigningKey {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: SigningAlgorithm;
  /** Of RSA's modulus; 256 for Ed25519. */
  readonly bits: number;
  /** The public key as `p=` has it (RFC 6376 §3.6.1, RFC 8463 §4.2), base64. */
  readonly publicKey: string;
  /** Signs the octets that RFC 6376 §3.7 calls data-hash's input. */
  sign(data: Uint8Array): MaybeAsync<Buffer>;
}

/** A key that cannot be used, and why. */
export interface KeyFault {
  readonly fault: string;
}

/** Reads a private key (PEM: PKCS #1, PKCS #8). RSA keys below `minimumBits` (2048) are a fault. */
export function parseSigningKey(
  _domain: string,
  _selector: string,
  _pem: string,
  _minimumBits?: number,
): SigningKey | KeyFault {
  return { fault: "not yet" };
}

/** A new private key: PKCS #8, PEM. `bits` (2048) is RSA's. */
export function generateKey(_algorithm: SigningAlgorithm, _bits?: number): string {
  throw new Error("not yet");
}

/** What to publish for a key at `selector._domainkey.domain`: the text of the TXT record, whole. */
export function publicRecord(_key: SigningKey): string {
  throw new Error("not yet");
}

/** A text as a zone file has it: quoted strings of at most 255 bytes (RFC 1035 §3.3.14, RFC 6376 §3.6.2.2), in parentheses where there are several. */
export function printTxt(_text: string): string {
  throw new Error("not yet");
}
