import type { Peer } from "../../delivery/smtp/peer.ts";
import { certificateFingerprint, keyFingerprint, readCertificate } from "../../tls/x509/certificate.ts";
import { nameLine } from "../../tls/x509/distinguished_name.ts";
import type { HandshakeJudgement } from "../../tls/client/client_engine.ts";
import type { ClientTlsPolicy } from "../../tls/client_policy.ts";
import { recordText, type TlsaRecord } from "../../tls/dane/dane.ts";

/** What is known of the server that was spoken to. */
export interface Fingered {
  readonly peer: Peer;
  readonly policy: ClientTlsPolicy;
  readonly records: readonly TlsaRecord[];
  readonly judged: HandshakeJudgement | undefined;
}

/** The JSON object of a run: facts for scripts, and the lines that people read. */
export function fingerReport(
  destination: string,
  digest: string,
  fingered: Fingered | undefined,
  lines: readonly string[],
) {
  if (fingered === undefined) return { destination, connected: false, lines };
  const { peer, policy, records, judged } = fingered;
  return {
    destination,
    connected: true,
    ...peer,
    level: policy.level,
    tlsa: records.map(recordText),
    ...(judged !== undefined && { tls: tlsReport(judged, digest) }),
    lines,
  };
}

function tlsReport({ facts, trust, isEnough, verdict }: HandshakeJudgement, digest: string) {
  const certificates = (facts.peer?.chain ?? []).map((der) => readCertificate(der)).filter((each) =>
    each !== undefined
  );
  return {
    trust: trust.toLowerCase(),
    verified: trust === "Verified" || (isEnough && trust === "Trusted"),
    protocol: facts.protocol,
    cipher: facts.cipher,
    serverName: facts.serverName,
    ...(verdict?.is === "trusted" && verdict.name !== undefined && { matchedName: verdict.name }),
    certificates: certificates.map((certificate) => ({
      subject: nameLine(certificate.subject),
      issuer: nameLine(certificate.issuer),
      names: [...certificate.hosts, ...certificate.addresses],
      notBefore: new Date(certificate.notBefore).toISOString(),
      notAfter: new Date(certificate.notAfter).toISOString(),
      fingerprint: certificateFingerprint(certificate, digest),
      keyFingerprint: keyFingerprint(certificate, digest),
    })),
  };
}
