import type { ClientCertificate } from "../../access/policy.ts";
import type { PeerCertificate } from "../../platform/socket/start_tls.ts";
import type { Authorities } from "../../tls/verification/authorities.ts";
import { certificateFingerprint, keyFingerprint } from "../../tls/x509/certificate.ts";
import { commonName, issuerName, nameLine } from "../../tls/x509/distinguished_name.ts";
import { judge } from "../../tls/verification/verification.ts";
import type { Trouble } from "../../tls/verify_trouble.ts";

/** What a client's certificate is judged by. */
export interface CertificateRules {
  readonly authorities: Authorities;
  /** smtpd_tls_ccert_verifydepth. */
  readonly depth: number;
  /** tls_trust_server_ccerts. */
  readonly takesServers: boolean;
  /** smtpd_tls_fingerprint_digest. */
  readonly digest: string;
  /** tls_legacy_public_key_fingerprints. */
  readonly legacyKeys: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** A client's certificate, and why it is not to be trusted. */
export interface JudgedCertificate {
  readonly certificate: ClientCertificate;
  readonly trouble: Trouble | undefined;
  /** Whole names: `/O=Example/CN=client.example.com`. */
  readonly subjectLine: string;
  readonly issuerLine: string;
}

/** What is known of the certificate that a client has shown; undefined where it has shown none. */
export function judgeClient(
  peer: PeerCertificate | undefined,
  { authorities, depth, takesServers, digest, legacyKeys, now }: CertificateRules,
): JudgedCertificate | undefined {
  const verdict = peer && judge(peer, { role: "client", takesServers, authorities, depth, now });
  if (verdict === undefined) return undefined;
  const { certificate } = verdict;
  return {
    certificate: {
      trusted: verdict.is === "trusted",
      fingerprint: certificateFingerprint(certificate, digest),
      publicKeyFingerprint: keyFingerprint(certificate, digest, legacyKeys),
      subject: commonName(certificate.subject) ?? "",
      issuer: issuerName(certificate.issuer),
    },
    trouble: verdict.is === "untrusted" ? verdict.trouble : undefined,
    subjectLine: nameLine(certificate.subject),
    issuerLine: nameLine(certificate.issuer),
  };
}
