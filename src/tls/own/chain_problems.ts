import { isSignedBy } from "../../platform/certificate_signature.ts";
import { type Certificate, readCertificate } from "../x509/certificate.ts";
import type { Chain } from "./chain.ts";
import { commonName, nameLine } from "../x509/distinguished_name.ts";
import { matchedName } from "../x509/names.ts";

/** What is wrong with a chain that can be served all the same. */
export interface ChainProblem {
  readonly kind: "validity" | "order" | "incomplete" | "self-signed" | "name" | "purpose";
  /** With the file that is to be mended. */
  readonly text: string;
}

/** What a chain is held against. */
export interface ChainExpectation {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Names by which others reach us; none for a client's. */
  readonly names: readonly string[];
  /** What certificate and key are for. */
  readonly role: "server" | "client";
  /** Whom the system trusts; undefined when that is not known. Asked where it matters. */
  readonly authorities: () => readonly Certificate[] | undefined;
}

const DAY = 86_400_000;
/** A certificate that ends sooner is told of; one that does not live long anyway, later: who renews it does so with a third left. */
export const NOTICE = 14 * DAY;
/** Extended key usages (RFC 5280 §4.2.1.12); `any` is good for both. */
const PURPOSES = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2", any: "2.5.29.37.0" } as const;

/** The certificates of a chain as they stand in the file, our own first. */
export function certificatesOf({ certificate, issuers }: Chain): readonly Certificate[] {
  return [certificate, ...issuers].map(({ der }) => readCertificate(Buffer.from(der)))
    .filter((each) => each !== undefined);
}

/** When a chain can no longer be used: the first end of one of its certificates, in milliseconds since 1970. */
export function expiryOf(chain: Chain): number {
  return Math.min(...certificatesOf(chain).map(({ notAfter }) => notAfter));
}

/** What others would have against a chain, or what order they would not find their way through. */
export function chainProblems(chain: Chain, expected: ChainExpectation): ChainProblem[] {
  const path = certificatesOf(chain);
  const [own] = path;
  if (own === undefined) return [];
  const file = chain.certificateSource;
  return [
    ...path.flatMap((each) => validityProblems(each, file, expected.now)),
    ...signerProblems(path, file, expected.authorities),
    ...nameProblems(own, file, expected.names),
    ...purposeProblems(own, file, expected.role),
  ];
}

function titleOf({ subject }: Certificate): string {
  return commonName(subject) ?? nameLine(subject);
}

/** `14 days`, `1 day`, `5 hours`. */
export function durationText(milliseconds: number): string {
  const hours = Math.max(0, Math.floor(milliseconds / 3_600_000));
  const [count, unit] = hours >= 48
    ? [Math.floor(hours / 24), "days"]
    : [hours, hours === 1 ? "hour" : "hours"];
  return `${count} ${unit}`;
}

function dateText(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** Whether a certificate's time has come, is over or is running out. */
export function validityProblems(certificate: Certificate, file: string, now: number): ChainProblem[] {
  const { notBefore, notAfter } = certificate;
  const say = (what: string): ChainProblem[] => [
    { kind: "validity", text: `${file}: the certificate of ${titleOf(certificate)} ${what}` },
  ];
  if (now > notAfter) return say(`expired on ${dateText(notAfter)}: renew it`);
  if (now < notBefore) return say(`is not valid before ${dateText(notBefore)}: is the clock right?`);
  if (notAfter - now > Math.min(NOTICE, (notAfter - notBefore) / 3)) return [];
  return say(`expires on ${dateText(notAfter)}, in ${durationText(notAfter - now)}: renew it`);
}

function signerProblems(
  path: readonly Certificate[],
  file: string,
  authorities: ChainExpectation["authorities"],
): ChainProblem[] {
  const hasSigned = (issuer: Certificate, of: Certificate) => isSignedBy(of.der, issuer.der);
  const outOfPlace = path.findIndex((each, at) => at > 0 && !hasSigned(each, path[at - 1]!));
  const last = path[outOfPlace < 0 ? path.length - 1 : outOfPlace - 1]!;
  if (outOfPlace > 0) {
    const signer = path.find((each) => each !== last && hasSigned(each, last));
    const stray = path[outOfPlace]!;
    const advice = signer === undefined
      ? `${titleOf(stray)} stands behind ${titleOf(last)} and has not signed it`
      : `${titleOf(signer)} has to stand right behind ${titleOf(last)}, which it has signed`;
    return [{ kind: "order", text: `${file}: certificates are not in order: ${advice}` }];
  }
  if (hasSigned(last, last)) {
    return path.length > 1 ? [] : [{ kind: "self-signed", text: `${file}: ${selfSigned(last)}` }];
  }
  const trusted = authorities();
  if (trusted === undefined || trusted.some((each) => mayHaveSigned(each, last))) return [];
  return [{ kind: "incomplete", text: `${file}: ${incomplete(last)}` }];
}

/** Names first: signatures are dear. */
function mayHaveSigned({ subject, der }: Certificate, certificate: Certificate): boolean {
  return subject.der.equals(certificate.issuer.der) && isSignedBy(certificate.der, der);
}

function selfSigned(certificate: Certificate): string {
  return `the certificate of ${
    titleOf(certificate)
  } has signed itself: whoever looks at it trusts it only by its fingerprint`;
}

function incomplete(certificate: Certificate): string {
  const issuer = commonName(certificate.issuer) ?? nameLine(certificate.issuer);
  return `nothing behind the certificate of ${
    titleOf(certificate)
  } was signed by somebody whom this system trusts: ` +
    `add the certificate of ${issuer} (an authority's "full chain"), unless ${issuer} is an authority of your own`;
}

function nameProblems(own: Certificate, file: string, names: readonly string[]): ChainProblem[] {
  const missing = names.filter((name) => matchedName(own, [name]) === undefined);
  if (missing.length === 0) return [];
  const shown = own.hosts.length > 0 ? own.hosts : [commonName(own.subject) ?? "nobody"];
  const listed = shown.slice(0, 5).join(", ") + (shown.length > 5 ? ", ..." : "");
  const text = `${file}: the certificate is for ${listed}, not for ${missing.join(", ")}: ` +
    "clients that look at the name refuse it";
  return [{ kind: "name", text }];
}

function purposeProblems({ purposes }: Certificate, file: string, role: "server" | "client"): ChainProblem[] {
  if (purposes === undefined || purposes.includes(PURPOSES[role]) || purposes.includes(PURPOSES.any)) {
    return [];
  }
  const text = `${file}: the certificate is not made for a ${role} (extendedKeyUsage has no ${role}Auth)`;
  return [{ kind: "purpose", text }];
}
