import { isHostname } from "../../address/hostname.ts";
import { type Association, fingerprintAssociations } from "../x509/association.ts";
import {
  type ClientLevel,
  clientLevel,
  CONFIGURATION_PROBLEM,
  mustMatch,
  type PolicyDraft,
  type PolicyFault,
  type Warned,
} from "../client_policy.ts";
import { type PublishedDraft, publishedOf, readPublished } from "../published_text.ts";
import { splitListRaw, stripBraces } from "../../config/syntax/list.ts";
import type { TrustAnchorFiles } from "../verification/trust_anchors.ts";

/** What the text of a policy may need to be understood. */
export interface PolicyTextContext {
  /** `smtp_tls_policy_maps, next-hop destination "example.com"`: begins what is said about it. */
  readonly where: string;
  /** The digest of fingerprints. */
  readonly digest: string;
  readonly trustAnchors: Pick<TrustAnchorFiles, "read">;
}

type Attributes = { -readonly [Name in keyof Omit<PolicyDraft, "level" | "isGiven">]: PolicyDraft[Name] };

/** What one attribute adds; a text says what is wrong with it. Malformed fingerprints are left out with a warning. */
type Read = (value: string, attribute: Attribute) => Attributes | string;

interface Attribute extends PolicyTextContext {
  readonly name: string;
  readonly level: ClientLevel;
  readonly before: Attributes;
  readonly warn: (text: string) => void;
}

const empty = ({ name }: Attribute) => `attribute "${name}" has empty value`;
const again = ({ name }: Attribute) => `attribute "${name}" is specified multiple times`;
const misplaced = ({ name, level }: Attribute) => `attribute "${name}" invalid at security level "${level}"`;

/** The attributes of a policy (postconf(5), smtp_tls_policy_maps). */
const ATTRIBUTES: Readonly<Record<string, Read>> = {
  ciphers: (value, attribute) => {
    if (value === "") return empty(attribute);
    return attribute.before.ciphers === undefined ? { ciphers: value } : again(attribute);
  },
  protocols: (value, attribute) =>
    attribute.before.protocols === undefined ? { protocols: value } : again(attribute),
  servername: (value, attribute) => {
    if (attribute.before.serverName !== undefined) return again(attribute);
    return isHostname(value)
      ? { serverName: value }
      : `"${attribute.name}=${value}" specifies an invalid hostname`;
  },
  match: (value, attribute) => {
    if (value === "") return empty(attribute);
    const { level, before } = attribute;
    if (level === "fingerprint") return fingerprintsIn(value, attribute);
    if (level !== "verify" && level !== "secure") return misplaced(attribute);
    return { match: [...before.match ?? [], ...value.split(":").filter((word) => word !== "")] };
  },
  exclude: (value, attribute) =>
    attribute.before.exclude === undefined ? { exclude: value } : again(attribute),
  tafile: (value, attribute) => {
    if (attribute.level !== "verify" && attribute.level !== "secure") return misplaced(attribute);
    if (value === "") return empty(attribute);
    const read = attribute.trustAnchors.read(value);
    if ("problem" in read) return read.problem;
    return { associations: [...attribute.before.associations ?? [], ...read] };
  },
  connection_reuse: (value, { name }) => {
    const lower = value.toLowerCase();
    if (lower === "yes" || lower === "no") return { connectionReuse: lower === "yes" };
    return `attribute "${name}" has bad value: "${value}"`;
  },
};

function fingerprintsIn(value: string, { digest, before, warn }: Attribute): Attributes {
  return {
    associations: [...before.associations ?? [], ...readFingerprints(value.split("|"), digest, warn)],
  };
}

/** The fingerprints of a list; what is none is left out with a warning. */
export function readFingerprints(
  list: readonly string[],
  digest: string,
  warn: (text: string) => void,
): readonly Association[] {
  return list.filter((each) => each !== "").flatMap((each) => {
    const found = fingerprintAssociations(each, digest);
    if (found === undefined) warn(`malformed fingerprint value: ${each.slice(0, 384)}`);
    return found ?? [];
  });
}

/** Reads what a policy table says of a destination. What is wrong with it makes the whole of it unusable: it might be weaker than meant. */
export function parsePolicy(text: string, context: PolicyTextContext): Warned<PolicyDraft | PolicyFault> {
  const warnings: string[] = [];
  const [word, ...rest] = splitListRaw(text);
  const invalid = (why: string): Warned<PolicyFault> => ({
    is: CONFIGURATION_PROBLEM,
    warnings: [...warnings, why],
  });
  if (word === undefined) return invalid(`${context.where}: invalid empty policy`);
  const level = clientLevel(word);
  if (level === undefined) return invalid(`${context.where}: invalid security level "${word}"`);
  if (level === "none") {
    const ignored = rest.map((token) => `${context.where}: ignoring attribute "${token}" with TLS disabled`);
    return { is: { level, isGiven: true }, warnings: ignored };
  }
  let before: Attributes = {};
  let publishedBefore: PublishedDraft = {};
  for (const token of rest) {
    const pair = pairIn(token);
    if ("why" in pair) {
      return invalid(`${context.where}: malformed attribute/value pair "${token}": ${pair.why}`);
    }
    const said = readPublished(pair.name, pair.value, publishedBefore);
    if (typeof said === "string") return invalid(`${context.where}: ${said}`);
    if (said !== undefined) {
      publishedBefore = said;
      continue;
    }
    const read = readAttribute(pair, { ...context, level, before, warn: (each) => warnings.push(each) });
    if (typeof read === "string") return invalid(read);
    before = { ...before, ...read };
  }
  const published = publishedOf(publishedBefore);
  if (typeof published === "string") return invalid(`${context.where}: ${published}`);
  return { is: { level, isGiven: true, ...before, ...(published !== undefined && { published }) }, warnings };
}

interface Pair {
  readonly name: string;
  readonly value: string;
}

/** `name=value`, or `{ name = value with blanks }`, where line ends are blanks too. */
function pairIn(token: string): Pair | { readonly why: string } {
  const braced = token.startsWith("{");
  const inside = braced ? stripBraces(token) : token;
  if (typeof inside !== "string") return { why: inside.text };
  const text = braced ? inside.replace(/[\t\r\n\v\f]/g, " ") : inside;
  const at = text.indexOf("=");
  const name = text.slice(0, Math.max(at, 0)).trim();
  if (name === "") return { why: at >= 0 ? "missing attribute name" : "missing '=' after attribute name" };
  return { name, value: text.slice(at + 1).trim() };
}

function readAttribute({ name, value }: Pair, context: Omit<Attribute, "name">): Attributes | string {
  const lower = name.toLowerCase();
  if (!Object.hasOwn(ATTRIBUTES, lower)) return `${context.where}: invalid attribute name: "${name}"`;
  const read = ATTRIBUTES[lower]!(value, { ...context, name });
  // What is wrong with a file of trust anchors names the file, not the table.
  return typeof read !== "string" || lower === "tafile" ? read : `${context.where}: ${read}`;
}

/** How strongly the words of smtp_tls_per_site ask for TLS. */
const SITE_WORDS: Readonly<Record<string, ClientLevel>> = {
  NONE: "none",
  MAY: "may",
  MUST_NOPEERMATCH: "encrypt",
  MUST: "verify",
};

/** The level that a word of smtp_tls_per_site means. */
export function siteLevel(word: string): ClientLevel | undefined {
  return SITE_WORDS[word.toUpperCase()];
}

/**
 * What several answers of smtp_tls_per_site come to, those for next hop and host, and the level of all: a stronger one beats a weaker one,
 * `none` beats `may`, and `may` alone leaves it to a stronger level of all (TLS_LEGACY_README).
 */
export function combinedSiteLevel(levels: readonly ClientLevel[], general: ClientLevel): ClientLevel {
  const strongest = (["verify", "encrypt", "none", "may"] as const).find((level) => levels.includes(level));
  if (strongest === undefined) return general;
  return strongest === "may" && (mustMatch(general) || general === "encrypt") ? general : strongest;
}
