import crypto from "node:crypto";

/** A private key that was read. What is inside is the runtime's. */
export interface PrivateKey {
  /** `rsa`, `rsa-pss`, `ec`, `ed25519`, `dsa`. */
  readonly algorithm: string;
  readonly key: unknown;
}

/** A certificate that was read. What is inside is the runtime's. */
export interface OwnCertificate {
  /** That of its public key, as in `PrivateKey`. */
  readonly algorithm: string;
  readonly der: Uint8Array;
  readonly certificate: unknown;
}

/** How a private key is written: PKCS #8, or the algorithm's own form. */
export type KeyForm = "pkcs8" | "pkcs1" | "sec1";

/** The private key in these bytes; undefined when there is none that is known here. */
export function readPrivateKey(der: Uint8Array, form: KeyForm): PrivateKey | undefined {
  try {
    const key = crypto.createPrivateKey({ key: Buffer.from(der), format: "der", type: form });
    return { algorithm: key.asymmetricKeyType ?? "unknown", key };
  } catch {
    return undefined;
  }
}

/** The certificate in these bytes; undefined when there is none, or more than one is. */
export function readCertificate(der: Uint8Array): OwnCertificate | undefined {
  try {
    const certificate = new crypto.X509Certificate(Buffer.from(der));
    if (certificate.raw.length !== der.length) return undefined;
    return { algorithm: algorithmOf(certificate), der, certificate };
  } catch {
    return undefined;
  }
}

/** A key of an algorithm that the library has given up (DSA) cannot be looked into. */
function algorithmOf(certificate: crypto.X509Certificate): string {
  try {
    return certificate.publicKey.asymmetricKeyType ?? "unknown";
  } catch {
    return "unknown";
  }
}

/** Whether the certificate was made for this key. */
export function isKeyOf({ key }: PrivateKey, { certificate }: OwnCertificate): boolean {
  if (!(key instanceof crypto.KeyObject) || !(certificate instanceof crypto.X509Certificate)) return false;
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    return false;
  }
}

/** A new key (ECDSA, P-256) that signs. */
export interface SigningKey {
  /** PKCS #8, PEM. */
  readonly pem: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** The signature of the bytes' SHA-256, DER. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** Makes a key. */
export function newSigningKey(): SigningKey {
  const { privateKey, publicKey } = crypto.generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return {
    pem: String(privateKey.export({ type: "pkcs8", format: "pem" })),
    publicKey: publicKey.export({ type: "spki", format: "der" }),
    sign: (bytes) => crypto.sign("sha256", bytes, privateKey),
  };
}
