import type { TlsFacts } from "../../platform/socket/start_tls.ts";
import { connectionLine } from "../../tls/connection_line.ts";
import type { TlsLogPart } from "../../tls/log_level.ts";
import { troubleLine } from "../../tls/verify_trouble.ts";
import type { JudgedCertificate } from "./client_certificate.ts";

/** A handshake that has succeeded, and who the client is. */
export interface Told {
  readonly handshake: TlsFacts;
  /** As log lines name it. */
  readonly client: string;
  readonly judged: JudgedCertificate | undefined;
}

/** The lines about a handshake, in Postfix's order and words. */
export function handshakeLines(told: Told, parts: ReadonlySet<TlsLogPart>): readonly string[] {
  const { handshake, client, judged } = told;
  const resumed = handshake.reused && parts.has("cache") ? [`${client}: Reusing old session`] : [];
  const certificate = judged === undefined ? [] : certificateLines(told, judged, parts);
  if (!parts.has("summary")) return [...resumed, ...certificate];
  const trust = judged === undefined ? "Anonymous" : judged.certificate.trusted ? "Trusted" : "Untrusted";
  const named = handshake.named === true && { serverName: handshake.serverName };
  return [
    ...resumed,
    ...certificate,
    connectionLine({ trust, peer: { from: client }, handshake, ...named }),
  ];
}

function certificateLines(
  { client, handshake }: Told,
  { certificate, subjectLine, issuerLine, trouble }: JudgedCertificate,
  parts: ReadonlySet<TlsLogPart>,
): readonly string[] {
  const { subject, issuer, fingerprint, publicKeyFingerprint } = certificate;
  const verbose = parts.has("verbose");
  const whole = verbose ? [`subject=${subjectLine}`, `issuer=${issuerLine}`] : [];
  const names = verbose || parts.has("peercert")
    ? [
      `${client}: subject_CN=${subject}, issuer=${issuer}, fingerprint=${fingerprint}, ` +
      `pkey_fingerprint=${publicKeyFingerprint}`,
    ]
    : [];
  if (trouble === undefined || !parts.has("untrusted")) return [...whole, ...names];
  const why = handshake.reused
    ? `${client}: re-using session with untrusted certificate, look for details earlier in the log`
    : troubleLine(trouble, client, "client");
  return [...whole, ...names, why];
}
