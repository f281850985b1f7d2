import type { X509Certificate } from "node:crypto";

type Crypto = typeof import("node:crypto");

let crypto: Crypto | undefined;

/** Loaded at its first use: a client in the clear has none for it. */
function cryptoModule(): Crypto {
  return crypto ??= process.getBuiltinModule("node:crypto");
}

function certificateOf(der: Uint8Array): X509Certificate {
  return new (cryptoModule().X509Certificate)(der);
}

/** Whether a certificate was issued by another: the names and key identifiers agree, and the signature is right. All DER. */
export function isSignedBy(certificate: Uint8Array, issuer: Uint8Array): boolean {
  try {
    const [own, signer] = [certificateOf(certificate), certificateOf(issuer)];
    return own.checkIssued(signer) && own.verify(signer.publicKey);
  } catch {
    return false; // A key or signature of a kind that is not known here vouches for nothing.
  }
}

/** Whether a certificate was signed with a public key (DER, SubjectPublicKeyInfo). */
export function isSignedWith(certificate: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    const key = cryptoModule().createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
    return certificateOf(certificate).verify(key);
  } catch {
    return false;
  }
}

/** Whether bytes are a public key of a kind that is known here (DER, SubjectPublicKeyInfo). */
export function isPublicKey(bytes: Uint8Array): boolean {
  try {
    cryptoModule().createPublicKey({ key: Buffer.from(bytes), format: "der", type: "spki" });
    return true;
  } catch {
    return false;
  }
}
