import {
  type Certificate,
  certificateFingerprint,
  keyFingerprint,
  readCertificate,
} from "../../tls/x509/certificate.ts";
import { nameLine } from "../../tls/x509/distinguished_name.ts";

/** The certificates that a server has shown, as -C prints them. */
export function chainText(chain: readonly Buffer[], digest: string): string {
  const certificates = chain.map((der) => readCertificate(der)).filter((each) => each !== undefined);
  return `\n---\nCertificate chain\n${
    certificates.map((each, at) => certificateText(each, at, digest)).join("")
  }`;
}

function certificateText(certificate: Certificate, at: number, digest: string): string {
  return `${`${at}`.padStart(2)} subject: ${nameLine(certificate.subject)}
    issuer: ${nameLine(certificate.issuer)}
   cert digest=${certificateFingerprint(certificate, digest)}
   pkey digest=${keyFingerprint(certificate, digest)}
${pem(certificate.der)}`;
}

/** RFC 7468: lines of 64 characters. */
function pem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
