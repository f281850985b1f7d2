import { isHostname } from "../../address/hostname.ts";
import type { Association } from "../x509/association.ts";
import {
  type ClientTlsPolicy,
  CONFIGURATION_PROBLEM,
  isOptional,
  mustMatch,
  type PolicyDraft,
  type PolicyFault,
  type Warned,
} from "../client_policy.ts";
import type { ClientTlsSettings } from "./client_tls_settings.ts";
import { readFingerprints } from "./policy_text.ts";
import type { TrustAnchorFiles } from "../verification/trust_anchors.ts";

/** Everything in the clear. */
export const NO_TLS_POLICY: ClientTlsPolicy = {
  level: "none",
  protocols: "",
  ciphers: "",
  exclude: [],
  match: [],
  associations: [],
  serverName: "",
  connectionReuse: true,
  published: undefined,
  webPki: false,
};

/** What a policy asks for, main.cf's settings where the table has said nothing (smtp_tls_policy(3)). */
export function completePolicy(
  draft: PolicyDraft,
  settings: ClientTlsSettings,
  nexthop: string,
  files: Pick<TrustAnchorFiles, "read">,
): Warned<ClientTlsPolicy | PolicyFault> {
  const { level } = draft;
  if (level === "none") return { is: NO_TLS_POLICY, warnings: [] };
  const serverName = draft.serverName ?? settings.serverName;
  if (serverName !== "" && !isHostname(serverName)) {
    return fault(`"${settings.program}_tls_servername = ${serverName}" specifies an invalid hostname`);
  }
  const warnings: string[] = [];
  const associations = associationsFor(draft, settings, files, (text) => warnings.push(text));
  if (typeof associations === "string") return fault(associations);
  if (level === "fingerprint" && associations.length === 0) {
    return fault(
      ...warnings,
      `nexthop domain ${nexthop}: configured at fingerprint security level, but with no fingerprints to match.`,
    );
  }
  const strength = level === "may" ? settings.optional : settings.mandatory;
  const exclude = draft.exclude === undefined ? strength.exclude : [draft.exclude];
  return {
    is: {
      level,
      protocols: draft.protocols ?? strength.protocols,
      ciphers: draft.ciphers ?? strength.ciphers,
      exclude: isOptional(level) ? exclude : [...exclude, mustMatch(level) ? "aNULL" : "eNULL"],
      match: draft.match ?? matchOf(level, settings),
      associations,
      serverName,
      connectionReuse: draft.connectionReuse ?? settings.connectionReuse,
      ...(draft.saysUntrusted && { saysUntrusted: true }),
      published: draft.published,
      webPki: draft.webPki === true,
    },
    warnings,
  };
}

function fault(...warnings: readonly string[]): Warned<PolicyFault> {
  return { is: CONFIGURATION_PROBLEM, warnings };
}

function matchOf(level: PolicyDraft["level"], settings: ClientTlsSettings): readonly string[] {
  if (level === "verify") return settings.verifyMatch;
  return level === "secure" ? settings.secureMatch : [];
}

/** Fingerprints and trust anchors of main.cf count where the table has none. */
function associationsFor(
  { level, associations, webPki }: PolicyDraft,
  settings: ClientTlsSettings,
  files: Pick<TrustAnchorFiles, "read">,
  warn: (text: string) => void,
): readonly Association[] | string {
  if (associations !== undefined && associations.length > 0) return associations;
  if (level === "fingerprint") {
    return readFingerprints(settings.fingerprints.split(/[, \t\r\n]+/), settings.fingerprintDigest, warn);
  }
  if ((level !== "verify" && level !== "secure") || webPki) return [];
  const found: Association[] = [];
  for (const file of settings.trustAnchorFiles) {
    const read = files.read(file);
    if ("problem" in read) return read.problem;
    found.push(...read);
  }
  return found;
}
