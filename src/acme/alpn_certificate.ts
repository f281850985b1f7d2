import { digest } from "../platform/digest.ts";
import { newSigningKey } from "../platform/key_pair.ts";
import {
  bitString,
  identifier,
  integer,
  octetString,
  sequence,
  set,
  tagged,
  time,
  TRUE,
  utf8String,
} from "./der_writer.ts";

const DAY = 86_400_000;

const OID = {
  commonName: "2.5.4.3",
  alternatives: "2.5.29.17",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  /** id-pe-acmeIdentifier. */
  acmeIdentifier: "1.3.6.1.5.5.7.1.31",
} as const;

/** A certificate and its key, PEM. */
export interface AlpnCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** The certificate that shows an authority that a name leads here (TLS-ALPN-01, RFC 8737 §3): it bears the digest of the proof. */
export function alpnCertificate(name: string, proof: string, now: number): AlpnCertificate {
  const key = newSigningKey();
  const algorithm = sequence(identifier(OID.ecdsaWithSha256));
  const subject = sequence(set(sequence(identifier(OID.commonName), utf8String("ACME challenge"))));
  const alternatives = sequence(tagged(0x82, Buffer.from(name, "latin1")));
  const extensions = sequence(
    sequence(identifier(OID.alternatives), octetString(alternatives)),
    sequence(identifier(OID.acmeIdentifier), TRUE, octetString(octetString(digest("sha256", proof)))),
  );
  const version3 = tagged(0xa0, integer(Buffer.from([2])));
  const body = sequence(
    version3,
    integer(Buffer.from([1])),
    algorithm,
    subject,
    sequence(time(now - DAY), time(now + DAY)),
    subject,
    key.publicKey,
    tagged(0xa3, extensions),
  );
  const der = sequence(body, algorithm, bitString(key.sign(body)));
  return { certificate: pemOf("CERTIFICATE", der), key: key.pem };
}

function pemOf(type: string, der: Buffer): string {
  const lines = der.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${type}-----\n${lines}\n-----END ${type}-----\n`;
}
