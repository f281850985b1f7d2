import { isSignedBy, isSignedWith } from "../../platform/certificate_signature.ts";
import type { Authorities } from "./authorities.ts";
import { type Association, isAssociated } from "../x509/association.ts";
import { type Certificate, readCertificate } from "../x509/certificate.ts";
import { matchedName } from "../x509/names.ts";
import { pemObjects } from "../x509/pem.ts";
import { runtimeTrouble, type Trouble } from "../verify_trouble.ts";
import { canonicalIp } from "../../address/ip.ts";

/** What a certificate is judged by. */
export interface Trust {
  /** Whose certificate it is. */
  readonly role: "server" | "client";
  /** A client's certificate that is for servers alone is taken for one (tls_trust_server_ccerts). */
  readonly takesServers?: boolean;
  readonly authorities: Authorities;
  /** When there are any, they alone vouch, and no authority. */
  readonly associations?: readonly Association[] | undefined;
  /** The certificate must bear one of them; undefined when no name is asked for. */
  readonly names?: readonly string[] | undefined;
  /** Nothing that could vouch is of any use: no certificate is good enough. */
  readonly hopeless?: boolean;
  /** Most authorities above the certificate (smtp_tls_scert_verifydepth). */
  readonly depth: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What the runtime has found: the chain, DER, the peer's own first, and what it has against it. */
export interface Presented {
  readonly chain: readonly Buffer[];
  readonly trouble: string | undefined;
}

/** Whether a certificate is to be trusted. */
export type Verdict =
  | {
    readonly is: "trusted";
    readonly certificate: Certificate;
    /** The name by which it was found right, where one was asked for. */
    readonly name: string | undefined;
    /** What has vouched for it, where that was no authority. */
    readonly match: AssociationMatch | undefined;
  }
  | { readonly is: "untrusted"; readonly certificate: Certificate; readonly trouble: Trouble };

/** Which association has vouched for a certificate. */
export interface AssociationMatch {
  readonly association: Association;
  /** Where in the path it was found; 0 for the server's own. */
  readonly depth: number;
  /** It is a key that has signed the certificate there, and came with no certificate of its own. */
  readonly bareKey: boolean;
}

/** Judges a chain; undefined when what was presented is no certificate at all. */
export function judge({ chain, trouble }: Presented, trust: Trust): Verdict | undefined {
  const path: Certificate[] = [];
  for (const der of chain) {
    const certificate = readCertificate(der);
    if (certificate === undefined) break;
    path.push(certificate);
  }
  const [own] = path;
  if (own === undefined) return undefined;
  if (trust.hopeless) {
    return { is: "untrusted", certificate: own, trouble: { is: "unspecified", depth: 0 } };
  }
  if (trust.takesServers && isForServersAlone(own)) return asServer(own, path, { ...trust, role: "server" });
  return trust.associations === undefined || trust.associations.length === 0
    ? byAuthorities(own, path, trouble, trust)
    : byAssociations(own, path, trust.associations, trust);
}

/** The runtime says whether the chain holds; what is wrong with it is told in the order in which OpenSSL finds it. */
function byAuthorities(
  own: Certificate,
  path: readonly Certificate[],
  runtime: string | undefined,
  trust: Trust,
): Verdict {
  // What came along is not always the chain that holds: another certificate of the same signer may end it.
  const holds = runtime === undefined && trust.authorities.pem !== "";
  const found = [
    ...(holds ? tooLong(path, trust) : issuerTroubles(path, trust)),
    ...pathTroubles(path, trust),
  ];
  if (runtime !== undefined && found.length === 0) found.push(runtimeTrouble(runtime));
  return verdict(own, found, trust, undefined);
}

function isForServersAlone({ purposes }: Certificate): boolean {
  const has = (role: "server" | "client") => purposes?.includes(PURPOSES[role][0]) === true;
  return has("server") && !has("client");
}

/** The runtime has judged it as a client's, and may have told no more than that it is none: the path is looked for here. */
function asServer(own: Certificate, presented: readonly Certificate[], trust: Trust): Verdict {
  const known = certificatesOf(trust.authorities);
  const roots = known.filter(isSelfIssued);
  const anchors: Association[] = roots.map(({ der }) => ({
    whose: "authority",
    of: "certificate",
    digest: undefined,
    data: der,
  }));
  const signers = [...presented.slice(1, MOST_SIGNERS), ...known];
  const anchored = pathToAnchor(own, signers, anchors, trust.depth);
  const path = anchored?.path ?? presented;
  const found = [
    ...(anchored === undefined
      ? issuerTroubles(path, trust)
      : [...tooLong(path, trust), ...signerTroubles(path)]),
    ...pathTroubles(path, trust),
  ];
  if (anchored === undefined && found.length === 0) found.push(runtimeTrouble("UNABLE_TO_GET_ISSUER_CERT"));
  return verdict(own, found, trust, undefined);
}

/** The authorities' certificates, read once for each store of them. */
function certificatesOf(authorities: Authorities): readonly Certificate[] {
  let read = CERTIFICATES.get(authorities);
  if (read === undefined) {
    read = pemObjects(authorities.pem).objects.map(({ der }) => readCertificate(Buffer.from(der)))
      .filter((each) => each !== undefined);
    CERTIFICATES.set(authorities, read);
  }
  return read;
}

const CERTIFICATES = new WeakMap<Authorities, readonly Certificate[]>();

function byAssociations(
  own: Certificate,
  presented: readonly Certificate[],
  associations: readonly Association[],
  trust: Trust,
): Verdict {
  const direct = associations.find((each) => each.whose === "server" && isAssociated(own, each));
  if (direct !== undefined) {
    const match = { association: direct, depth: 0, bareKey: false };
    return verdict(own, direct.forNames === true ? nameTroubles(own, trust) : [], trust, match);
  }
  const anchors = associations.filter(({ whose }) => whose === "authority");
  const known = anchors.filter((each) => each.digest === undefined && each.of === "certificate")
    .map(({ data }) => readCertificate(data));
  const signers = [...presented.slice(1, MOST_SIGNERS), ...known.filter((each) => each !== undefined)];
  const anchored = pathToAnchor(own, signers, anchors, trust.depth);
  if (anchored === undefined) {
    const depth = anchors.length === 0 ? 0 : presented.length - 1;
    return { is: "untrusted", certificate: own, trouble: { is: "no-association", depth } };
  }
  const troubles = [
    ...tooLong(anchored.path, trust),
    ...pathTroubles(anchored.path, trust),
    ...signerTroubles(anchored.path),
  ];
  return verdict(own, troubles, trust, anchored.match);
}

/** Nearest to the server first, and of those the one that OpenSSL meets first. */
function verdict(
  certificate: Certificate,
  troubles: readonly Trouble[],
  { names }: Trust,
  match: AssociationMatch | undefined,
): Verdict {
  const [trouble] = [...troubles].sort((one, other) => one.depth - other.depth);
  if (trouble !== undefined) return { is: "untrusted", certificate, trouble };
  return { is: "trusted", certificate, name: names && matchedName(certificate, names), match };
}

function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return subject.der.equals(issuer.der);
}

/** Whether the last of a chain is an authority that the operator trusts; else why not. */
function issuerTroubles(path: readonly Certificate[], trust: Trust): readonly Trouble[] {
  const depth = path.length - 1;
  const last = path[depth];
  if (last === undefined) return [];
  const listed = trust.authorities.has(last.der);
  if (isSelfIssued(last) && listed) return tooLong(path, trust);
  if (isSelfIssued(last) && depth === 0) return [{ is: "self-signed", depth }];
  if (listed) return [{ is: "no-issuer", depth }];
  return [{ is: "untrusted-issuer", depth, issuer: last.issuer }];
}

function tooLong(path: readonly Certificate[], trust: Trust): readonly Trouble[] {
  // OpenSSL's limit leaves the peer's own and the last authority out of the count, and Postfix gives it one more.
  return path.length > trust.depth + 3 ? [{ is: "too-long", depth: trust.depth + 2 }] : [];
}

const PURPOSES = {
  // The second is the server gated cryptography that OpenSSL takes too.
  server: ["1.3.6.1.5.5.7.3.1", "2.16.840.1.113730.4.1"],
  client: ["1.3.6.1.5.5.7.3.2"],
} as const;

/** What each certificate of the path says against its use. */
function pathTroubles(path: readonly Certificate[], trust: Trust): readonly Trouble[] {
  const allowed: readonly string[] = PURPOSES[trust.role];
  const found: Trouble[] = [];
  for (const [depth, { purposes }] of path.entries()) {
    if (purposes !== undefined && !purposes.some((each) => allowed.includes(each))) {
      found.push({ is: "purpose", depth });
    }
  }
  const [own] = path;
  if (own !== undefined) found.push(...nameTroubles(own, trust));
  for (const [depth, { notBefore, notAfter }] of path.entries()) {
    if (trust.now < notBefore) found.push({ is: "not-yet-valid", depth });
    if (trust.now > notAfter) found.push({ is: "expired", depth });
  }
  return found;
}

/** Whether the server's certificate bears one of the names that are asked for. */
function nameTroubles(own: Certificate, { names }: Trust): readonly Trouble[] {
  if (names === undefined || matchedName(own, names) !== undefined) return [];
  const address = names.every((name) => canonicalIp(name) !== undefined);
  return [{ is: address ? "address-mismatch" : "name-mismatch", depth: 0 }];
}

/** What the runtime looks at in a chain of its own: whether each signer may sign. */
function signerTroubles(path: readonly Certificate[]): readonly Trouble[] {
  const found: Trouble[] = [];
  for (const [depth, { isAuthority, isBeyondUs, pathLength }] of path.entries()) {
    if (depth > 0 && !isAuthority) found.push({ is: "invalid-authority", depth });
    if (depth > 0 && pathLength !== undefined && depth - 1 > pathLength) {
      found.push({ is: "path-length", depth });
    }
    if (isBeyondUs) found.push({ is: "unhandled-extension", depth });
  }
  return found;
}

interface Anchored {
  readonly path: readonly Certificate[];
  readonly match: AssociationMatch;
}

/** Certificates that one handshake may bring for a path to be looked for among them. */
const MOST_SIGNERS = 30;

/** A path of signatures from the server's certificate to a trust anchor, which need not come along itself (RFC 7671 §5.2). */
function pathToAnchor(
  own: Certificate,
  signers: readonly Certificate[],
  anchors: readonly Association[],
  depth: number,
): Anchored | undefined {
  const keys = anchors.filter((each) => each.digest === undefined && each.of === "key");
  const tried = new Set<Certificate>();
  const walk = (path: readonly Certificate[]): Anchored | undefined => {
    const last = path.at(-1);
    if (last === undefined) return undefined;
    const anchor = path.length > 1 ? anchors.find((each) => isAssociated(last, each)) : undefined;
    const association = anchor ?? keys.find(({ data }) => isSignedWith(last.der, data));
    if (association !== undefined) {
      const match = { association, depth: path.length - 1, bareKey: anchor === undefined };
      return { path, match };
    }
    if (path.length > depth + 3) return undefined;
    for (const signer of signers) {
      if (tried.has(signer) || !signer.subject.der.equals(last.issuer.der)) continue;
      if (!isSignedBy(last.der, signer.der)) continue;
      tried.add(signer);
      const found = walk([...path, signer]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return walk([own]);
}
