// What the SMTP client makes of TLSA records: each scene is a domain with an exchanger, its records and its certificate, and what comes of
// mail for it. The outcomes were observed on the real Postfix, and both are held to them.
import { createHash, X509Certificate } from "node:crypto";
import { type TestAuthority } from "../memory/authority.ts";
import type { SelfSigned } from "../memory/self_signed.ts";
import type { TestZone } from "../servers/signed_dns.ts";

/** Port of all exchangers. */
export const DANE_PORT = 24853;

/** Certificates of the scenes: `server` the exchanger's own, `signer` who has signed it, `root` who has signed that. */
export interface SceneChain {
  readonly server: SelfSigned;
  readonly signer: SelfSigned;
  readonly root: SelfSigned;
}

/** What becomes of the mail, in a word. */
export type Fate = "verified" | "trusted" | "encrypted" | "in the clear" | "under TLS, unlogged" | "waits";

export interface DaneScene {
  readonly want: Fate;
  /** The certificate of the exchanger; `none` for no STARTTLS. Default: right for its name. */
  readonly certificate?:
    | "domain"
    | "other name"
    | "expired"
    | "expired, other name"
    | "self-signed"
    | "none";
  /** TLSA records: `USAGE SELECTOR TYPE whose`, where whose is of the chain, or hexadecimal data. */
  readonly tlsa?: readonly string[];
  /** Zone of the domain, and of its exchanger. */
  readonly domain?: "signed" | "plain" | "expired";
  readonly host?: "signed" | "plain";
  /** The exchanger is an alias of its real name: in the same zone, or of one in the other. TLSA records are the alias's. */
  readonly alias?: "same" | "plain";
  /** The records are of the real name, not of the alias. */
  readonly tlsaOfCanonical?: true;
  /** The records are themselves an alias. */
  readonly tlsaAlias?: true;
  /** They are an alias into a zone whose signatures have expired. */
  readonly bogusTlsa?: true;
  /** The host is named directly. */
  readonly direct?: true;
  /** By the LMTP client: the host is named directly. */
  readonly lmtp?: true;
  /** The exchanger of the first scene is the next one to be tried. */
  readonly second?: true;
  /** The domain is an alias of the one that has the MX record. */
  readonly domainAlias?: true;
  readonly level?: "dane" | "dane-only";
  readonly settings?: Readonly<Record<string, string>>;
}

const EE = ["3 1 1 server"] as const;
const TA = ["2 1 1 signer"] as const;

export const DANE_SCENES: Readonly<Record<string, DaneScene>> = {
  "an own key": { want: "verified", tlsa: EE },
  "an own key, dane-only": { want: "verified", tlsa: EE, level: "dane-only" },
  "an own certificate, whole": { want: "verified", tlsa: ["3 0 0 server"] },
  "an own key, whole": { want: "verified", tlsa: ["3 1 0 server"] },
  "an own key by SHA-512": { want: "verified", tlsa: ["3 1 2 server"] },
  "an own key whose certificate has expired, for another name": {
    want: "verified",
    tlsa: EE,
    certificate: "expired, other name",
  },
  "an own key that is self-signed": { want: "verified", tlsa: EE, certificate: "self-signed" },
  "another's key": { want: "waits", tlsa: ["3 1 1 root"] },
  "another's key, dane-only": { want: "waits", tlsa: ["3 1 1 root"], level: "dane-only" },
  "an old key and a new one": { want: "verified", tlsa: ["3 1 1 root", "3 1 1 server"] },
  "the stronger digest decides": { want: "waits", tlsa: ["3 1 1 server", "3 1 2 root"] },
  "the operator's order of digests decides": {
    want: "verified",
    tlsa: ["3 1 1 server", "3 1 2 root"],
    settings: { tls_dane_digests: "sha256 sha512" },
  },
  "a digest that is switched off": {
    want: "encrypted",
    tlsa: ["3 1 2 server"],
    settings: { tls_dane_digests: "sha256" },
  },
  "a trust anchor's key": { want: "verified", tlsa: TA },
  "a trust anchor's certificate": { want: "verified", tlsa: ["2 0 1 signer"] },
  "a trust anchor that does not come along": { want: "waits", tlsa: ["2 0 1 root"] },
  "a whole trust anchor that does not come along": { want: "verified", tlsa: ["2 0 0 root"] },
  "a trust anchor's whole key, which comes with no certificate": { want: "verified", tlsa: ["2 1 0 root"] },
  "a trust anchor, and a certificate for the domain": { want: "verified", tlsa: TA, certificate: "domain" },
  "a trust anchor, and a certificate for another name": {
    want: "waits",
    tlsa: TA,
    certificate: "other name",
  },
  "a trust anchor, and an expired certificate": { want: "waits", tlsa: TA, certificate: "expired" },
  "a trust anchor that is the server's own": {
    want: "waits",
    tlsa: ["2 1 1 server"],
    certificate: "self-signed",
  },
  "records of public authorities": { want: "encrypted", tlsa: ["1 1 1 server"] },
  "records of public authorities, dane-only": { want: "waits", tlsa: ["0 0 1 root"], level: "dane-only" },
  "records of public authorities beside a good one": {
    want: "verified",
    tlsa: ["1 1 1 root", "3 1 1 server"],
  },
  "records that make no sense": { want: "encrypted", tlsa: ["3 1 1 00ff", "3 7 1 server"] },
  "records that make no sense, dane-only": { want: "waits", tlsa: ["3 1 1 00ff"], level: "dane-only" },
  "no records": { want: "encrypted" },
  "no records, dane-only": { want: "waits", level: "dane-only" },
  "records, and no STARTTLS": { want: "waits", tlsa: EE, certificate: "none" },
  "unusable records, and no STARTTLS": { want: "waits", tlsa: ["1 1 1 server"], certificate: "none" },
  "no records, and no STARTTLS": { want: "in the clear", certificate: "none" },
  "bogus records": { want: "waits", bogusTlsa: true },
  "bogus records, dane-only": { want: "waits", bogusTlsa: true, level: "dane-only" },
  "an alias with records of its real name": {
    want: "verified",
    tlsa: TA,
    alias: "same",
    tlsaOfCanonical: true,
  },
  "an alias with records of its own": { want: "verified", tlsa: EE, alias: "same" },
  "an alias into a zone without signatures": { want: "verified", tlsa: EE, alias: "plain" },
  "records that are an alias": { want: "verified", tlsa: EE, tlsaAlias: true },
  "a domain without signatures": { want: "trusted", tlsa: EE, domain: "plain" },
  "a domain without signatures, dane-only": { want: "waits", tlsa: EE, domain: "plain", level: "dane-only" },
  "a domain without signatures, at most encrypted": {
    want: "encrypted",
    tlsa: EE,
    domain: "plain",
    settings: { smtp_tls_dane_insecure_mx_policy: "encrypt" },
  },
  "a domain without signatures, not looked at": {
    want: "encrypted",
    tlsa: EE,
    domain: "plain",
    settings: { smtp_tls_dane_insecure_mx_policy: "may" },
  },
  "a domain without signatures, and another's key": { want: "waits", tlsa: ["3 1 1 root"], domain: "plain" },
  "an exchanger without signatures": { want: "encrypted", tlsa: EE, host: "plain" },
  "an exchanger without signatures, dane-only": {
    want: "waits",
    tlsa: EE,
    host: "plain",
    level: "dane-only",
  },
  "an exchanger without signatures, asked all the same": {
    want: "encrypted",
    tlsa: EE,
    host: "plain",
    settings: { smtp_tls_force_insecure_host_tlsa_lookup: "yes" },
  },
  "a trust anchor, and a certificate for the domain that is an alias": {
    want: "verified",
    tlsa: TA,
    certificate: "domain",
    domainAlias: true,
  },
  "another's key, and a second exchanger": { want: "verified", tlsa: ["3 1 1 root"], second: true },
  "bogus records, and a second exchanger": { want: "verified", bogusTlsa: true, second: true },
  "no STARTTLS where there are records, and a second exchanger": {
    want: "verified",
    tlsa: EE,
    certificate: "none",
    second: true,
  },
  "records that are told of": { want: "verified", tlsa: EE, settings: { smtp_tls_loglevel: "summary,dane" } },
  "a log level that is none": {
    want: "under TLS, unlogged",
    tlsa: EE,
    settings: { smtp_tls_loglevel: "summary,bogus" },
  },
  "LMTP, an own key": { want: "verified", tlsa: EE, lmtp: true },
  "LMTP, another's key": { want: "waits", tlsa: ["3 1 1 root"], lmtp: true },
  "LMTP, no records, dane-only": { want: "waits", level: "dane-only", lmtp: true },
  "a domain whose signatures have expired": { want: "waits", domain: "expired" },
  "a host that is named": { want: "verified", tlsa: EE, direct: true },
  "DNSSEC that is not asked for": {
    want: "encrypted",
    tlsa: EE,
    settings: { smtp_dns_support_level: "enabled" },
  },
  "DNSSEC that is not asked for, dane-only": {
    want: "waits",
    tlsa: EE,
    level: "dane-only",
    settings: { smtp_dns_support_level: "enabled" },
  },
  "MX lookup errors that are ignored": {
    want: "encrypted",
    tlsa: EE,
    settings: { ignore_mx_lookup_error: "yes" },
  },
};

const ZONES = { signed: "signed.example", plain: "plain.example", expired: "expired.example" } as const;

/** Where a scene's exchanger listens, and what the scene is called in the DNS. */
export interface PlacedScene {
  readonly name: string;
  readonly scene: DaneScene;
  readonly address: string;
  readonly nexthop: string;
  /** The exchanger's name, and the one that its certificate is for. */
  readonly host: string;
  readonly canonical: string;
  readonly domain: string;
}

/** All scenes with their names and addresses. */
export function placedScenes(): readonly PlacedScene[] {
  return Object.entries(DANE_SCENES).map(([name, scene], i): PlacedScene => {
    const zone = ZONES[scene.host ?? "signed"];
    const [domain, host] = [`d${i}.${ZONES[scene.domain ?? "signed"]}`, `h${i}.${zone}`];
    const canonical = scene.alias === undefined
      ? host
      : scene.alias === "same"
      ? `c${i}.${zone}`
      : `c${i}.${ZONES.plain}`;
    const nexthop = scene.direct || scene.lmtp ? `[${host}]:${DANE_PORT}` : `${domain}:${DANE_PORT}`;
    return { name, scene, address: `127.0.53.${i + 1}`, nexthop, host, canonical, domain };
  });
}

/** The chain of a scene's exchanger. */
export function chainOf(
  { scene: { certificate }, canonical, domain, host }: PlacedScene,
  root: TestAuthority,
  signer: TestAuthority,
  selfSigned: (name: string) => SelfSigned,
): SceneChain {
  const issue = (name: string, expired?: true) =>
    signer.issue({ name, ...(expired !== undefined && { expired }) });
  const server = certificate === "self-signed"
    ? selfSigned("other.example")
    : certificate === "expired"
    ? issue(canonical, true)
    : certificate === "expired, other name"
    ? issue("other.example", true)
    : certificate === "other name"
    ? issue("other.example")
    : certificate === "domain"
    ? issue(domain)
    : issue(host === canonical ? host : canonical);
  return { server, signer, root };
}

/** The zones of all scenes. */
export function zonesOf(
  placed: readonly (PlacedScene & { readonly chain: SceneChain })[],
): Readonly<Record<string, TestZone>> {
  const records: Record<string, string[]> = { signed: [], plain: [], expired: [] };
  const zoneOf = (name: string) =>
    Object.entries(ZONES).find(([, zone]) => name.endsWith(`.${zone}`))![0] as keyof typeof ZONES;
  for (const { scene, address, host, canonical, domain, chain } of placed) {
    const add = (name: string, text: string) => records[zoneOf(name)]!.push(`${name}. ${text}`);
    if (scene.domainAlias) add(domain, `CNAME real.${domain}.`);
    add(scene.domainAlias ? `real.${domain}` : domain, `MX 10 ${host}.`);
    if (scene.second) add(domain, `MX 20 ${placed[0]!.host}.`);
    add(canonical, `A ${address}`);
    if (canonical !== host) add(host, `CNAME ${canonical}.`);
    const owner = `_${DANE_PORT}._tcp.${scene.tlsaOfCanonical ? canonical : host}`;
    if (scene.bogusTlsa) add(owner, `CNAME tlsa.${ZONES.expired}.`);
    if (scene.tlsaAlias) add(owner, `CNAME tlsa.${host}.`);
    for (const text of scene.tlsa ?? []) {
      add(scene.tlsaAlias ? `tlsa.${host}` : owner, `TLSA ${tlsaText(text, chain)}`);
    }
  }
  return {
    [ZONES.signed]: { signing: "right", records: records.signed! },
    [ZONES.plain]: { signing: "unsigned", records: records.plain! },
    [ZONES.expired]: { signing: "expired", records: records.expired! },
  };
}

/** A record with the data of whom it is about. */
function tlsaText(text: string, chain: SceneChain): string {
  const [usage, selector, type, whose = ""] = text.split(" ");
  const known = chain[whose as keyof SceneChain] as SelfSigned | undefined;
  if (known === undefined) return text;
  const certificate = new X509Certificate(known.certificate);
  const whole = selector === "0"
    ? certificate.raw
    : certificate.publicKey.export({ type: "spki", format: "der" });
  const data = type === "0" ? whole : createHash(type === "2" ? "sha512" : "sha256").update(whole).digest();
  return `${usage} ${selector} ${type} ${data.toString("hex")}`;
}
