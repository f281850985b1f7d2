import { systemErrorText } from "../../platform/system_error.ts";
import { certificateFingerprint, keyFingerprint } from "../x509/certificate.ts";
import type { HandshakeJudgement, PreparedHandshake, TlsServer } from "./client_engine.ts";
import { type ClientTlsPolicy, mustMatch } from "../client_policy.ts";
import type { ClientTlsSettings } from "./client_tls_settings.ts";
import { daneMatchLine, isDaneAssociation, shownHex } from "../dane/dane.ts";
import { commonName, issuerName } from "../x509/distinguished_name.ts";
import type { Verdict } from "../verification/verification.ts";
import { troubleLine } from "../verify_trouble.ts";

/** What is logged before a handshake (smtp_tls_loglevel); `program` names the cache of sessions. */
export function startLines(
  { log, cachesSessions, program }: Pick<ClientTlsSettings, "log" | "cachesSessions"> & {
    readonly program: string;
  },
  { whom }: TlsServer,
  { ciphers, serverName, sessionKey, offersSession }: PreparedHandshake,
): readonly string[] {
  const lines: string[] = [];
  if (log.has("verbose")) {
    lines.push(`setting up TLS connection to ${whom}`, `${whom}: TLS cipher list "${ciphers}"`);
    if (serverName !== "") lines.push(`${whom}: SNI hostname: ${serverName}`);
  }
  if (log.has("cache") && cachesSessions) {
    lines.push(`looking for session ${sessionKey} in ${program} cache`);
    if (offersSession) lines.push(`reloaded session ${sessionKey} from ${program} cache`);
  }
  return lines;
}

/** What is logged of one that failed: what has happened, and what the library says of it. */
export function failureLines(
  error: unknown,
  whom: string,
): { readonly note: string; readonly warning: string | undefined } {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const failed = `SSL_connect error to ${whom}`;
  if (code.startsWith("ERR_SSL")) {
    const why = error instanceof Error ? error.message : code;
    return { note: `${failed}: -1`, warning: `TLS library problem: ${why}` };
  }
  // The other side closing is no error of the system's.
  const isLost = code === "ECONNRESET" && !(error instanceof Error && "errno" in error);
  return { note: `${failed}: ${isLost ? "lost connection" : systemErrorText(error)}`, warning: undefined };
}

/** What is logged after it, but for the line of the connection itself: why a certificate is not trusted, whose it is. */
export function handshakeLines(
  { log, fingerprintDigest }: ClientTlsSettings,
  { level, saysUntrusted }: ClientTlsPolicy,
  { whom }: TlsServer,
  { facts, verdict }: HandshakeJudgement,
): readonly string[] {
  const lines: string[] = [];
  const tells = log.has("verbose") || log.has("peercert") || log.has("certmatch");
  if (facts.reused && log.has("cache")) lines.push(`${whom}: Reusing old session`);
  if (verdict === undefined) return lines;
  if (verdict.is === "trusted") {
    if (tells && mustMatch(level)) lines.push(...matchLines(level, whom, verdict));
  } else if (log.has("untrusted") || saysUntrusted || mustMatch(level)) {
    lines.push(
      facts.reused
        ? `${whom}: re-using session with untrusted certificate, look for details earlier in the log`
        : troubleLine(verdict.trouble, whom, "server"),
    );
  }
  if (tells) {
    const { certificate } = verdict;
    lines.push(
      `${whom}: subject_CN=${commonName(certificate.subject) ?? ""}, issuer_CN=${
        issuerName(certificate.issuer)
      }, ` +
        `fingerprint=${certificateFingerprint(certificate, fingerprintDigest)}, ` +
        `pkey_fingerprint=${keyFingerprint(certificate, fingerprintDigest)}`,
    );
  }
  return lines;
}

/** By what a certificate was found right: its name, where one was asked for, and what has vouched for it beside the authorities. */
function matchLines(
  level: ClientTlsPolicy["level"],
  whom: string,
  { name, match }: Verdict & { is: "trusted" },
): readonly string[] {
  const named = name === undefined || match?.association.whose === "server"
    ? []
    : [`${whom}: matched peername: ${name}`];
  if (match === undefined) return named;
  const { association, depth } = match;
  if (isDaneAssociation(association)) return [...named, daneMatchLine(whom, association, match)];
  if (level !== "fingerprint") return [...named, `${whom}: Matched trust anchor at depth ${depth}`];
  return [...named, `${whom}: Matched fingerprint: ${shownHex(association.data)}`];
}
