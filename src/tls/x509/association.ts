import { digest } from "../../platform/digest.ts";
import type { Certificate } from "./certificate.ts";

/**
 * What vouches for a server beside the authorities: a fingerprint, a trust anchor of the operator's, a TLSA record (RFC 6698 §2.1).
 * A server's own holds whatever its dates are, and its names unless `forNames`; an authority's vouches for what it has signed.
 */
export interface Association {
  readonly whose: "server" | "authority";
  readonly of: "certificate" | "key";
  /** The digest that `data` is; undefined when it is the certificate or key itself, DER. */
  readonly digest: string | undefined;
  readonly data: Buffer;
  /** A server's own, of which others may have one as well: the certificate must bear a name that is asked for. */
  readonly forNames?: true;
}

/** Whether an association is with that certificate or its key. */
export function isAssociated(certificate: Certificate, association: Association): boolean {
  const whole = association.of === "key" ? certificate.publicKey : certificate.der;
  const data = association.digest === undefined ? whole : digest(association.digest, whole);
  return data.equals(association.data);
}

/** Whether it could be right: a digest has the length of its kind. */
export function isPossible({ digest: algorithm, data }: Association): boolean {
  return algorithm === undefined || digest(algorithm, "").length === data.length;
}

/** An association as text, no longer than a digest. */
export function associationText({ whose, of, digest: algorithm, data }: Association): string {
  const short = algorithm === undefined ? digest("sha256", data) : data;
  return `${whose} ${of} ${algorithm ?? "whole"} ${short.toString("hex")}`;
}

/** Fingerprints, `AB:CD...` or without colons, of a certificate or its key (smtp_tls_fingerprint_cert_match). */
export function fingerprintAssociations(
  fingerprint: string,
  algorithm: string,
): readonly Association[] | undefined {
  const hex = fingerprint.replaceAll(":", "");
  if (!/^(?:[0-9a-f]{2})+$/i.test(hex) || hex.length > LONGEST_DIGEST) return undefined;
  const data = Buffer.from(hex, "hex");
  return [
    { whose: "server", of: "certificate", digest: algorithm, data },
    { whose: "server", of: "key", digest: algorithm, data },
  ];
}

/** Hex digits of the longest digest there is. */
const LONGEST_DIGEST = 128;
