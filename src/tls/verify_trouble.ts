import type { PolicyFailure } from "./published_policy.ts";
import { type DistinguishedName, nameLine } from "./x509/distinguished_name.ts";
import { printable } from "../base/printable.ts";

/** What is wrong with a certificate of a chain; the peer's own has depth 0. */
export type Trouble =
  & { readonly depth: number }
  & (
    | { readonly is: "untrusted-issuer"; readonly issuer: DistinguishedName }
    /** A policy table says that what the domain demands could not be had: no certificate is good enough. */
    | { readonly is: "policy-failure"; readonly failure: PolicyFailure }
    | { readonly is: "other"; readonly number: number; readonly words: string }
    | { readonly is: "self-signed" | "not-yet-valid" | "expired" | "purpose" | "too-long" | NumberedTrouble }
  );

type NumberedTrouble = keyof typeof NUMBERED;

/** Troubles that Postfix tells with OpenSSL's number and words. */
const NUMBERED = {
  "unspecified": [1, "unspecified certificate verification error"],
  "no-issuer": [2, "unable to get issuer certificate"],
  "path-length": [25, "path length constraint exceeded"],
  "unhandled-extension": [34, "unhandled critical extension"],
  "name-mismatch": [62, "hostname mismatch"],
  "address-mismatch": [64, "IP address mismatch"],
  "no-association": [65, "no matching DANE TLSA records"],
  "invalid-authority": [79, "invalid CA certificate"],
} as const satisfies Record<string, readonly [number, string]>;

/** What the runtime may have against a chain that nothing above explains, with OpenSSL's numbers and words. */
const RUNTIME: Readonly<Record<string, readonly [number, string]>> = {
  UNABLE_TO_GET_ISSUER_CERT: NUMBERED["no-issuer"],
  CERT_SIGNATURE_FAILURE: [7, "certificate signature failure"],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [21, "unable to verify the first certificate"],
  CERT_REVOKED: [23, "certificate revoked"],
  INVALID_CA: NUMBERED["invalid-authority"],
  PATH_LENGTH_EXCEEDED: NUMBERED["path-length"],
  CERT_REJECTED: [28, "certificate rejected"],
  KEYUSAGE_NO_CERTSIGN: [32, "key usage does not include certificate signing"],
  UNHANDLED_CRITICAL_EXTENSION: NUMBERED["unhandled-extension"],
  PERMITTED_VIOLATION: [47, "permitted subtree violation"],
  EXCLUDED_VIOLATION: [48, "excluded subtree violation"],
};

/** The trouble that the runtime tells by its code. */
export function runtimeTrouble(code: string): Trouble {
  if (code === "INVALID_PURPOSE") return { is: "purpose", depth: 0 };
  const [number, words] = RUNTIME[code] ?? [1, `unspecified certificate verification error (${code})`];
  return { is: "other", depth: 0, number, words };
}

/** The log line about it, as Postfix's; `whom` is `host[address]:port`. */
export function troubleLine(trouble: Trouble, whom: string, role: "server" | "client"): string {
  const purpose = trouble.depth > 0 ? "CA" : role;
  const failed = `certificate verification failed for ${whom}`;
  switch (trouble.is) {
    case "self-signed":
      return `${failed}: self-signed certificate`;
    case "untrusted-issuer":
      return `${failed}: untrusted issuer ${printable(nameLine(trouble.issuer))}`;
    case "not-yet-valid":
      return `${purpose} ${failed}: certificate not yet valid`;
    case "expired":
      return `${purpose} ${failed}: certificate has expired`;
    case "purpose":
      return `${failed}: not designated for use as a ${purpose} certificate`;
    case "policy-failure":
      return `${failed}: external policy failure (${trouble.failure})`;
    case "too-long":
      return `${failed}: certificate chain longer than limit(${trouble.depth - 1})`;
    case "other":
      return `${purpose} ${failed}: num=${trouble.number}:${trouble.words}`;
    default: {
      const [number, words] = NUMBERED[trouble.is];
      return `${purpose} ${failed}: num=${number}:${words}`;
    }
  }
}
