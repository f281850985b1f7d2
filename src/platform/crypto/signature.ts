import crypto from "node:crypto";
import { rsaSigner } from "./libcrypto.ts";

/** The kinds of keys that sign here: RSA with SHA-256 (RFC 8017, PKCS #1 v1.5), and Ed25519 (RFC 8032). */
export type SignatureKind = "rsa" | "ed25519";

/** A public key that was read. What is inside is the runtime's. */
export interface VerifyingKey {
  readonly kind: SignatureKind;
  /** Of RSA's modulus; 256 for Ed25519. */
  readonly bits: number;
  readonly key: unknown;
}

/** A private key that was read. */
export interface PrivateSigningKey {
  readonly kind: SignatureKind;
  readonly bits: number;
  /** RSA: SubjectPublicKeyInfo, DER. Ed25519: the 32 bytes of the key. */
  readonly publicBytes: Buffer;
  sign(bytes: Uint8Array): Buffer;
}

/** What stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4). */
const ED25519_INFO = Buffer.from("302a300506032b6570032100", "hex");

function kindOf(key: crypto.KeyObject): SignatureKind | undefined {
  const type = key.asymmetricKeyType;
  return type === "rsa" || type === "ed25519" ? type : undefined;
}

function bitsOf(key: crypto.KeyObject): number {
  return key.asymmetricKeyDetails?.modulusLength ?? 256;
}

/** Reads a private key (PEM: PKCS #1, PKCS #8, not encrypted); undefined when it is none, or of another kind. */
export function readSigningKey(pem: string): PrivateSigningKey | undefined {
  try {
    const key = crypto.createPrivateKey(pem);
    const kind = kindOf(key);
    if (kind === undefined) return undefined;
    const info = crypto.createPublicKey(key).export({ type: "spki", format: "der" });
    const bits = bitsOf(crypto.createPublicKey(key));
    if (kind === "rsa") return { kind, bits, publicBytes: info, sign: signerOf(key, bits) };
    const publicBytes = info.subarray(ED25519_INFO.length);
    return { kind, bits, publicBytes, sign: (bytes) => crypto.sign(null, bytes, key) };
  } catch {
    return undefined;
  }
}

/** RSA by OpenSSL's library where it is there and its signatures are right, by the runtime's otherwise. */
function signerOf(key: crypto.KeyObject, bits: number): (bytes: Uint8Array) => Buffer {
  const slowly = (bytes: Uint8Array) => crypto.sign("sha256", bytes, key);
  const der = key.export({ type: "pkcs8", format: "der" });
  const fast = rsaSigner(der, Math.ceil(bits / 8));
  der.fill(0);
  const trial = Buffer.from("trial");
  const made = fast?.(trial);
  if (fast === undefined || made === undefined || !made.equals(slowly(trial))) return slowly;
  return (bytes) => fast(bytes) ?? slowly(bytes);
}

/** Makes a private key: PKCS #8, PEM. `bits` is RSA's. */
export function newPrivateKey(kind: SignatureKind, bits: number): string {
  const encoding = {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  } as const;
  return kind === "rsa"
    ? crypto.generateKeyPairSync("rsa", { modulusLength: bits, ...encoding }).privateKey
    : crypto.generateKeyPairSync("ed25519", encoding).privateKey;
}

/** Reads a public key: RSA's in either of its forms (SubjectPublicKeyInfo, RSAPublicKey), the 32 bytes of Ed25519's. */
export function readVerifyingKey(kind: SignatureKind, bytes: Uint8Array): VerifyingKey | undefined {
  if (kind === "ed25519") {
    return bytes.length === 32 ? readAs(kind, Buffer.concat([ED25519_INFO, bytes]), "spki") : undefined;
  }
  return readAs(kind, bytes, "spki") ?? readAs(kind, bytes, "pkcs1");
}

function readAs(kind: SignatureKind, bytes: Uint8Array, form: "spki" | "pkcs1"): VerifyingKey | undefined {
  try {
    const key = crypto.createPublicKey({ key: Buffer.from(bytes), format: "der", type: form });
    return kindOf(key) === kind ? { kind, bits: bitsOf(key), key } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a signature of the bytes was made with the private half of the key. */
export function isSignature({ kind, key }: VerifyingKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (!(key instanceof crypto.KeyObject)) return false;
  try {
    return crypto.verify(kind === "rsa" ? "sha256" : null, bytes, key, signature);
  } catch {
    return false;
  }
}
