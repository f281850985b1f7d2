import type { ClientHello } from "./client_hello.ts";
import type { KeyKind, TlsContext } from "./tls_context.ts";

// The runtime does not tell what a TLS 1.3 server has agreed on beside the cipher; what both sides have offered does.

/** A signature of a handshake. */
export interface HandshakeSignature {
  /** `RSA-PSS`, `ECDSA`, `ED25519`. */
  readonly method: string;
  /** `2048 bits`, `prime256v1`; undefined where the method says it. */
  readonly key: string | undefined;
  readonly digest: string | undefined;
}

interface Group {
  readonly number: number;
  /** As OpenSSL 3.0 calls it, which is what log lines have. */
  readonly text: string;
}

const GROUPS: Readonly<Record<string, Group>> = {
  "X25519": { number: 0x1d, text: "X25519" },
  "P-256": { number: 0x17, text: "ECDHE (prime256v1)" },
  "P-384": { number: 0x18, text: "ECDHE (secp384r1)" },
  "P-521": { number: 0x19, text: "ECDHE (secp521r1)" },
  "X25519MLKEM768": { number: 0x11ec, text: "X25519MLKEM768" },
};

/** The group that keys are agreed on in: the library takes the first of ours that the client has, whose order counts. */
export function agreedGroup(context: TlsContext, { groups }: ClientHello): string | undefined {
  const known = (context.groups ?? []).map((name) => GROUPS[name]);
  return known.find((group) => group !== undefined && groups.includes(group.number))?.text;
}

/** A way to sign in TLS 1.3 (RFC 8446 §4.2.3). */
interface Scheme extends HandshakeSignature {
  readonly number: number;
}

const CURVES: Readonly<Record<string, Scheme>> = {
  "prime256v1": { number: 0x0403, method: "ECDSA", key: "prime256v1", digest: "SHA256" },
  "secp384r1": { number: 0x0503, method: "ECDSA", key: "secp384r1", digest: "SHA384" },
  "secp521r1": { number: 0x0603, method: "ECDSA", key: "secp521r1", digest: "SHA512" },
};
const PSS = { 0x0804: "SHA256", 0x0805: "SHA384", 0x0806: "SHA512" } as const;

/** The ways in which a key can sign, the one that the library likes best first. */
function schemesOf({ type, curve = "", bits }: KeyKind): readonly Scheme[] {
  if (type === "ed25519") return [{ number: 0x0807, method: "ED25519", key: undefined, digest: undefined }];
  if (type === "ec") return CURVES[curve] === undefined ? [] : [CURVES[curve]];
  if (type !== "rsa") return [];
  const key = `${bits} bits`;
  return Object.entries(PSS).map(([number, digest]) => ({
    number: Number(number),
    method: "RSA-PSS",
    key,
    digest,
  }));
}

/** The library prefers the smaller signatures. */
const ORDER = ["ec", "ed25519", "rsa"];

/** What a server with these keys signs with, for that client. */
export function serverSignature(
  { keys }: TlsContext,
  { signatures }: Pick<ClientHello, "signatures">,
): HandshakeSignature | undefined {
  const sorted = keys.toSorted((a, b) => ORDER.indexOf(a.type) - ORDER.indexOf(b.type));
  const scheme = sorted.flatMap(schemesOf).find(({ number }) => signatures.includes(number));
  return scheme === undefined ? undefined : signatureOf(scheme);
}

const signatureOf = ({ method, key, digest }: Scheme): HandshakeSignature => ({ method, key, digest });

/** What the other side signs with, having that key; the digest is known where the key leaves no choice. */
export function otherSignature(kind: KeyKind): HandshakeSignature | undefined {
  const schemes = schemesOf(kind);
  const [first] = schemes;
  if (first === undefined) return undefined;
  return { ...signatureOf(first), digest: schemes.length > 1 ? undefined : first.digest };
}
