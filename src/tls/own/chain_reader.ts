import {
  isKeyOf,
  type KeyForm,
  type OwnCertificate,
  type PrivateKey,
  readCertificate,
  readPrivateKey,
} from "../../platform/key_pair.ts";
import type { Chain, ChainFault } from "./chain.ts";
import { type PemObject, pemObjects } from "../x509/pem.ts";

/** How the objects of a file stand. */
export type ChainOrder =
  /** Each key before its certificate and the issuers', any number of times, over any number of files (smtpd_tls_chain_files). */
  | "key first"
  /** One key, anywhere among the certificates (a cert_file that is its own key_file). */
  | "joined";

/** What a reader is told. */
export interface ChainReaderOptions {
  readonly order: ChainOrder;
  /** What the files are called together: the parameter's value, or `SNI data for NAME`. */
  readonly origin: string;
  /** The parameter that names the files. */
  readonly parameter: string;
  /** What follows for TLS: `disabling TLS support`, `aborting TLS handshake`. */
  readonly consequence: string;
}

/** The chains of the files, and what is to be said of them; or why there are none. */
export type ChainsRead =
  | { readonly is: "read"; readonly chains: readonly Chain[]; readonly notes: readonly string[] }
  | { readonly is: "fault"; readonly fault: ChainFault };

const CERTIFICATES: ReadonlySet<string> = new Set(["CERTIFICATE", "X509 CERTIFICATE"]);
const KEYS: ReadonlyMap<string, KeyForm> = new Map([
  ["PRIVATE KEY", "pkcs8"],
  ["RSA PRIVATE KEY", "pkcs1"],
  ["EC PRIVATE KEY", "sec1"],
]);

/** The form of the private key that a PEM object holds; undefined for other objects. */
export function keyFormOf({ type }: PemObject): KeyForm | undefined {
  return KEYS.get(type);
}

/** Whether a PEM object is to hold a certificate. */
export function isCertificate({ type }: PemObject): boolean {
  return CERTIFICATES.has(type);
}

/** How to get rid of a pass phrase: nobody is there to type it. */
export function decryptAdvice(path: string): string {
  return `the key is encrypted; write it without a pass phrase: openssl pkey -in ${path} -out NEW-FILE`;
}

interface HeldKey {
  readonly key: PrivateKey;
  readonly pem: string;
  readonly source: string;
  /** Which object of its file it is, from 1. */
  readonly index: number;
}

interface HeldCertificate {
  readonly certificate: OwnCertificate;
  readonly pem: string;
  readonly source: string;
}

/** Reads keys and certificates out of PEM files, with Postfix's rules and words (tls_certkey(3)). */
export class ChainReader {
  readonly #options: ChainReaderOptions;
  readonly #chains: Chain[] = [];
  readonly #notes: string[] = [];
  #source = "";
  #key: HeldKey | undefined;
  #certificates: HeldCertificate[] = [];
  #encrypted: string | undefined;
  #fault: ChainFault | undefined;

  constructor(options: ChainReaderOptions) {
    this.#options = options;
  }

  /** Takes the next file. */
  read(source: string, text: string): void {
    if (this.#fault !== undefined) return;
    this.#source = source;
    const { objects, fault } = pemObjects(text);
    for (const [at, object] of objects.entries()) {
      this.#take(object, at + 1);
      if (this.#fault !== undefined) return;
    }
    if (fault !== undefined) {
      this.#fail(`TLS library problem: PEM routines: ${fault}`, "the file is not whole");
    }
  }

  /** What the files hold, when there are no more. */
  end(): ChainsRead {
    if (this.#fault === undefined) this.#last();
    if (this.#fault !== undefined) return { is: "fault", fault: this.#fault };
    return { is: "read", chains: this.#chains, notes: this.#notes };
  }

  #take(object: PemObject, index: number): void {
    const form = keyFormOf(object);
    if (object.isEncrypted) this.#encrypted ??= this.#source;
    if (isCertificate(object)) this.#takeCertificate(object, index);
    else if (form !== undefined) this.#takeKey(object, form, index);
    else if (this.#options.order === "key first") {
      this.#notes.push(`loading ${this.#source}: ignoring PEM type: ${object.type}`);
    }
  }

  #takeCertificate({ der, text }: PemObject, index: number): void {
    if (this.#options.order === "key first" && this.#key === undefined) {
      const advice = "put each key before its certificate";
      return this.#fail(`error loading chain from ${this.#source}: key not first`, advice);
    }
    const certificate = readCertificate(der);
    if (certificate !== undefined) {
      return void this.#certificates.push({ certificate, pem: text, source: this.#source });
    }
    const what = `error loading certificate (PEM object number ${index}) from ${this.#source}`;
    this.#fail(what, "the certificate is damaged");
  }

  #takeKey({ der, text, isEncrypted }: PemObject, form: KeyForm, index: number): void {
    if (this.#key !== undefined && this.#options.order === "joined") {
      const what = `ignoring 2nd key at index ${index} in ${this.#source} after 1st at ${this.#key.index}`;
      return void this.#notes.push(what);
    }
    if (this.#key !== undefined) this.#completeBefore(this.#key);
    if (this.#fault !== undefined) return;
    const key = isEncrypted ? undefined : readPrivateKey(der, form);
    if (key !== undefined) {
      this.#key = { key, pem: text, source: this.#source, index };
      return;
    }
    const what = `error loading private key (PEM object number ${index}) from ${this.#source}`;
    this.#fail(what, "the key is damaged, or of an algorithm that TLS has not here; RSA and P-256 are there");
  }

  /** Another key follows: what came before it is a chain. */
  #completeBefore({ source, index }: HeldKey): void {
    const words = `error loading certificate chain: key at index ${index} in ${source}`;
    if (this.#certificates.length === 0) {
      return this.#fail(`${words} not followed by a certificate`, "put the certificate behind its key");
    }
    if (!this.#complete()) {
      this.#fail(`${words} does not match the certificate`, this.#mismatchAdvice());
    }
  }

  #last(): void {
    const { origin, order } = this.#options;
    const key = this.#key;
    if (key === undefined && this.#certificates.length === 0) {
      return this.#fail(`No PEM data in ${origin}`, "the file has neither a key nor a certificate");
    }
    if (key === undefined) {
      const advice = `add the key${order === "joined" ? ", or name its file in the key_file parameter" : ""}`;
      return this.#fail(`No private key found in ${origin}`, advice);
    }
    const where = `key at index ${key.index} in ${key.source}`;
    if (this.#certificates.length === 0) {
      return this.#fail(`No certs for ${where}`, "put the certificate behind its key");
    }
    if (!this.#complete()) this.#fail(`${where} does not match next certificate`, this.#mismatchAdvice());
  }

  /** Makes a chain of what is there; false when key and certificate do not belong together, or the algorithm has one already. */
  #complete(): boolean {
    const [key, first, ...issuers] = [this.#key, ...this.#certificates];
    this.#key = undefined;
    this.#certificates = [];
    if (key === undefined || first === undefined) return false;
    const { algorithm } = key.key;
    if (!isKeyOf(key.key, first.certificate)) return false;
    if (this.#chains.some((each) => each.key.algorithm === algorithm)) return false;
    this.#chains.push({
      key: key.key,
      certificate: first.certificate,
      issuers: issuers.map(({ certificate }) => certificate),
      certificatePem: [first, ...issuers].map(({ pem }) => pem).join("\n"),
      keyPem: key.pem,
      certificateSource: first.source,
      keySource: key.source,
    });
    return true;
  }

  #mismatchAdvice(): string {
    return "the certificate behind a key must be made for that key, and no two of one algorithm";
  }

  #fail(what: string, advice: string): void {
    const { origin, parameter, consequence } = this.#options;
    const encrypted = this.#encrypted;
    const fix = encrypted === undefined
      ? `${this.#source}: ${advice}`
      : `${encrypted}: ${decryptAdvice(encrypted)}`;
    this.#fault = {
      words: [
        ...this.#notes,
        what,
        `error loading private keys and certificates from: ${origin}: ${consequence}`,
      ],
      fix: `${parameter}: ${fix}`,
      isOfSystem: false,
    };
  }
}
