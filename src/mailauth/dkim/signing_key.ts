import { digest } from "../../platform/crypto/digest.ts";
import { newPrivateKey, readSigningKey } from "../../platform/crypto/signature.ts";

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
  /** Signs what RFC 6376 §3.7 puts together: RSA its SHA-256, Ed25519 the digest itself (RFC 8463 §3). */
  sign(data: Uint8Array): Buffer;
}

/** A key that cannot be used, and why. */
export interface KeyFault {
  readonly fault: string;
}

/** RFC 8301 §3.2: signers should use at least this. */
const MINIMUM_BITS = 2048;

/** Reads a private key (PEM: PKCS #1, PKCS #8). RSA keys below `minimumBits` (2048) are a fault. */
export function parseSigningKey(
  domain: string,
  selector: string,
  pem: string,
  minimumBits = MINIMUM_BITS,
): SigningKey | KeyFault {
  const key = readSigningKey(pem);
  if (key === undefined) return { fault: "not a private key of RSA or Ed25519 (PEM, not encrypted)" };
  const { kind, bits } = key;
  if (kind === "rsa" && bits < minimumBits) {
    return { fault: `RSA key of ${bits} bits; at least ${minimumBits} are needed` };
  }
  return {
    domain,
    selector,
    algorithm: kind === "rsa" ? "rsa-sha256" : "ed25519-sha256",
    bits,
    publicKey: key.publicBytes.toString("base64"),
    sign: kind === "rsa" ? key.sign : (data) => key.sign(digest("sha256", data)),
  };
}

/** A new private key: PKCS #8, PEM. `bits` (2048) is RSA's. */
export function generateKey(algorithm: SigningAlgorithm, bits = MINIMUM_BITS): string {
  return newPrivateKey(algorithm === "rsa-sha256" ? "rsa" : "ed25519", bits);
}

/** What to publish for a key at `selector._domainkey.domain`: the text of the TXT record, whole. */
export function publicRecord({ algorithm, publicKey }: SigningKey): string {
  return `v=DKIM1; k=${algorithm === "rsa-sha256" ? "rsa" : "ed25519"}; p=${publicKey}`;
}

/** Longest string in a TXT record (RFC 1035 §3.3). */
const STRING_LIMIT = 255;

/** A text of a TXT record as a zone file has it: quoted strings of at most 255 bytes, in parentheses where there are several (RFC 6376 §3.6.2.2). */
export function printTxt(text: string): string {
  const strings: string[] = [];
  for (let at = 0; at < text.length || at === 0; at += STRING_LIMIT) {
    strings.push(`"${text.slice(at, at + STRING_LIMIT).replace(/["\\]/g, "\\$&")}"`);
  }
  return strings.length === 1 ? strings[0]! : `( ${strings.join("\n  ")} )`;
}
