import { digest } from "../../platform/digest.ts";
import { type DistinguishedName, readName } from "./distinguished_name.ts";
import { type Element, element, elements, identifierText, TAG, timeOf } from "./der.ts";
import { formatIp } from "../../address/ip.ts";

/** What a certificate says (RFC 5280 §4). */
export interface Certificate {
  /** All of it, DER. */
  readonly der: Buffer;
  readonly subject: DistinguishedName;
  readonly issuer: DistinguishedName;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** The key alone, as Postfix before 2.9.6 took its fingerprint (tls_legacy_public_key_fingerprints). */
  readonly bareKey: Buffer;
  /** dNSName alternatives as they stand, bytes as Latin-1: whoever compares them takes ASCII alone. */
  readonly hosts: readonly string[];
  /** iPAddress alternatives, canonical text. */
  readonly addresses: readonly string[];
  /** May sign others (basicConstraints, keyUsage). */
  readonly isAuthority: boolean;
  /** How many authorities may stand between it and a server's certificate; undefined for any number. */
  readonly pathLength: number | undefined;
  /** Says something of importance that is not understood here, as the names that it may vouch for. */
  readonly isBeyondUs: boolean;
  /** Object identifiers of extKeyUsage; undefined when it may be used for anything. */
  readonly purposes: readonly string[] | undefined;
}

const EXTENSION = {
  keyUsage: "2.5.29.15",
  alternatives: "2.5.29.17",
  constraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  policies: "2.5.29.32",
  purposes: "2.5.29.37",
} as const;

/** Extensions that are understood, or that add nothing to whether a server's name is vouched for. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  EXTENSION.keyUsage,
  EXTENSION.alternatives,
  EXTENSION.constraints,
  EXTENSION.policies,
  EXTENSION.purposes,
]);

interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/** Reads a certificate; undefined when it is none. */
export function readCertificate(der: Buffer): Certificate | undefined {
  try {
    return parse(der);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function parse(der: Buffer): Certificate {
  const fields = [...elements(at(elements(element(der).content), 0).content)];
  // The version stands in front when it is not the first.
  if (fields[0]?.tag === 0xa0) fields.shift();
  const [issuer, validity, subject, key] = [at(fields, 2), at(fields, 3), at(fields, 4), at(fields, 5)];
  const [notBefore, notAfter] = elements(validity.content);
  if (notBefore === undefined || notAfter === undefined) throw new RangeError("no validity");
  const extensions = extensionsOf(fields.find(({ tag }) => tag === 0xa3));
  const value = (identifier: string) => extensions.get(identifier)?.value;
  const purposes = value(EXTENSION.purposes);
  return {
    der,
    subject: readName(subject),
    issuer: readName(issuer),
    notBefore: timeOf(notBefore),
    notAfter: timeOf(notAfter),
    publicKey: key.whole,
    bareKey: at(elements(key.content), 1).content.subarray(1),
    ...alternativesIn(value(EXTENSION.alternatives)),
    ...authorityIn(value(EXTENSION.constraints), value(EXTENSION.keyUsage)),
    isBeyondUs: [...extensions].some(([identifier, { critical }]) =>
      identifier === EXTENSION.nameConstraints || (critical && !UNDERSTOOD.has(identifier))
    ),
    purposes: purposes && elements(element(purposes).content).map(({ content }) => identifierText(content)),
  };
}

function at(list: readonly Element[], index: number): Element {
  const found = list[index];
  if (found === undefined) throw new RangeError("certificate cut short");
  return found;
}

function extensionsOf(field: Element | undefined): ReadonlyMap<string, Extension> {
  const found = new Map<string, Extension>();
  if (field === undefined) return found;
  for (const { content } of elements(element(field.content).content)) {
    const parts = elements(content);
    const critical = parts.length > 2 && at(parts, 1).content[0] !== 0;
    found.set(identifierText(at(parts, 0).content), { critical, value: at(parts, parts.length - 1).content });
  }
  return found;
}

/** keyCertSign is bit 5 of keyUsage (RFC 5280 §4.2.1.3). */
const MAY_SIGN = 0x04;

function authorityIn(
  constraints: Buffer | undefined,
  usage: Buffer | undefined,
): Pick<Certificate, "isAuthority" | "pathLength"> {
  const parts = constraints === undefined ? [] : elements(element(constraints).content);
  const maySign = usage === undefined || ((element(usage).content[1] ?? 0) & MAY_SIGN) !== 0;
  const isAuthority = parts[0]?.tag === TAG.boolean && parts[0].content[0] !== 0;
  const length = parts.find(({ tag }) => tag === TAG.integer)?.content;
  return {
    isAuthority: isAuthority && maySign,
    pathLength: length === undefined ? undefined : Number(`0x${length.toString("hex")}`),
  };
}

/** Of the kinds of alternative names only two are a server's: [2] dNSName and [7] iPAddress. */
function alternativesIn(value: Buffer | undefined): Pick<Certificate, "hosts" | "addresses"> {
  const all = value === undefined ? [] : elements(element(value).content);
  const of = (tag: number) => all.filter((each) => each.tag === tag).map(({ content }) => content);
  return {
    hosts: of(0x82).map((content) => content.toString("latin1")),
    addresses: of(0x87).filter(({ length }) => length === 4 || length === 16)
      .map((bytes) => formatIp({ family: bytes.length === 4 ? 4 : 6, bytes })),
  };
}

/** Bytes as fingerprints are written: `AB:01:...`. */
export function colonHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex").toUpperCase().replace(/..(?=.)/g, "$&:");
}

/** The fingerprint of a certificate (postconf(5), smtp_tls_fingerprint_digest). */
export function certificateFingerprint({ der }: Certificate, algorithm: string): string {
  return colonHex(digest(algorithm, der));
}

/** The fingerprint of its public key; `legacy` as of Postfix 2.9.0 to 2.9.5 (tls_legacy_public_key_fingerprints). */
export function keyFingerprint(certificate: Certificate, algorithm: string, legacy = false): string {
  return colonHex(digest(algorithm, legacy ? certificate.bareKey : certificate.publicKey));
}
