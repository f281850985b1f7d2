import {
  isKeyOf,
  type OwnCertificate,
  type PrivateKey,
  readCertificate,
  readPrivateKey,
} from "../../platform/key_pair.ts";
import type { ChainFault } from "./chain.ts";
import { type ChainsRead, decryptAdvice, isCertificate, keyFormOf } from "./chain_reader.ts";
import { pemObjects } from "../x509/pem.ts";

/** A certificate and its key in files of their own. */
export interface SeparateFiles {
  /** `RSA`, `DSA`, `ECDSA`: what the parameters are for. What is in the files may be another. */
  readonly kind: string;
  readonly certificate: NamedText;
  readonly key: NamedText;
}

/** A file that was read. */
export interface NamedText {
  readonly parameter: string;
  readonly path: string;
  readonly text: string;
}

interface Certificates {
  readonly all: readonly OwnCertificate[];
  readonly pem: string;
}

/** The chain in a certificate's file and the key's, with Postfix's rules and words (tls_certkey(3)). */
export function readSeparate({ kind, certificate, key }: SeparateFiles): ChainsRead {
  const certificates = certificatesIn(certificate);
  if (typeof certificates === "string") {
    return fault(`cannot get ${kind} certificate from file "${certificate.path}"`, certificate, certificates);
  }
  const found = keyIn(key);
  const first = certificates.all[0]!;
  const cannotGet = `cannot get ${kind} private key from file "${key.path}"`;
  if (typeof found === "string") return fault(cannotGet, key, found);
  if (!isKeyOf(found.key, first)) {
    const words = found.key.algorithm === first.algorithm
      ? cannotGet
      : `${kind} private key in ${key.path} does not match public key in ${certificate.path}`;
    return fault(words, key, `this key does not belong to the certificate in ${certificate.path}`);
  }
  const chain = {
    key: found.key,
    certificate: first,
    issuers: certificates.all.slice(1),
    certificatePem: certificates.pem,
    keyPem: found.pem,
    certificateSource: certificate.path,
    keySource: key.path,
  };
  return { is: "read", chains: [chain], notes: [] };
}

/** The certificates of a file; or what is wrong. */
function certificatesIn({ text }: NamedText): Certificates | string {
  const { objects, fault } = pemObjects(text);
  if (fault !== undefined) return `the file is not whole (${fault})`;
  const all: OwnCertificate[] = [];
  const wanted = objects.filter(isCertificate);
  for (const { der } of wanted) {
    const read = readCertificate(der);
    if (read === undefined) return "a certificate in it is damaged";
    all.push(read);
  }
  if (all.length === 0) return "there is no certificate in it";
  return { all, pem: wanted.map((each) => each.text).join("\n") };
}

function keyIn({ path, text }: NamedText): { readonly key: PrivateKey; readonly pem: string } | string {
  const { objects, fault } = pemObjects(text);
  for (const object of objects) {
    const form = keyFormOf(object);
    if (object.isEncrypted) return decryptAdvice(path);
    const key = form === undefined ? undefined : readPrivateKey(object.der, form);
    if (key !== undefined) return { key, pem: object.text };
    if (form !== undefined) {
      return "the key is damaged, or of an algorithm that TLS has not here; RSA and P-256 are there";
    }
  }
  return fault === undefined ? "there is no private key in it" : `the file is not whole (${fault})`;
}

function fault(what: string, { parameter, path }: NamedText, why: string): ChainsRead {
  const words = [`${what}: disabling TLS support`];
  const of: ChainFault = { words, fix: `${parameter}: ${path}: ${why}`, isOfSystem: false };
  return { is: "fault", fault: of };
}
