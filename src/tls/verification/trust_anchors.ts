import { systemErrorText } from "../../platform/system_error.ts";
import type { Association } from "../x509/association.ts";
import { pemObjects } from "../x509/pem.ts";
import { ownTlsFiles, type TlsFiles } from "../tls_files.ts";

/** Kinds of PEM objects in a trust anchor file. */
const KINDS: Readonly<Record<string, Association["of"]>> = {
  "CERTIFICATE": "certificate",
  "X509 CERTIFICATE": "certificate",
  "PUBLIC KEY": "key",
};

/**
 * The certificates and public keys of a file, which vouch for what they have signed and for themselves, under the names that are asked
 * for (postconf(5), smtp_tls_trust_anchor_file).
 */
export function readTrustAnchors(
  path: string,
  files: TlsFiles = ownTlsFiles,
): readonly Association[] | { readonly problem: string } {
  let text: string;
  try {
    text = files.read(path);
  } catch (error) {
    return { problem: `error opening trust anchor file: ${path}: ${systemErrorText(error)}` };
  }
  const { objects, fault } = pemObjects(text);
  const found = objects.flatMap(({ type, der }): readonly Association[] => {
    const of = KINDS[type];
    if (of === undefined) return [];
    const data = Buffer.from(der);
    return [
      { whose: "authority", of, digest: undefined, data },
      { whose: "server", of, digest: undefined, data, forNames: true },
    ];
  });
  if (fault !== undefined) return { problem: `error reading: ${path}: malformed trust-anchor: ${fault}` };
  return found.length > 0 ? found : { problem: `error reading: ${path}: no trust-anchor in it` };
}

type Read = ReturnType<typeof readTrustAnchors>;

/** Files with trust anchors, read again only when they have changed. */
export class TrustAnchorFiles {
  readonly #files: TlsFiles;
  readonly #known = new Map<string, { readonly stamp: string; readonly read: Read }>();

  constructor(files: TlsFiles) {
    this.#files = files;
  }

  read(path: string): Read {
    const stamp = this.#files.stampOf(path)?.text;
    const known = this.#known.get(path);
    if (known !== undefined && known.stamp === stamp) return known.read;
    const read = readTrustAnchors(path, this.#files);
    if (stamp !== undefined) this.#known.set(path, { stamp, read });
    return read;
  }
}
