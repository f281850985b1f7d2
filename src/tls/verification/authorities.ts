import { systemCa } from "../../platform/socket/certificate_authorities.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { pemObjects } from "../x509/pem.ts";
import type { TlsFiles } from "../tls_files.ts";

/** Those whose signature under a certificate counts. */
export interface Authorities {
  /** Their certificates, for the runtime. */
  readonly pem: string;
  has(certificate: Buffer): boolean;
}

/** There is no telling whom to trust: no TLS then. */
export interface AuthoritiesFault {
  /** Postfix's words: `cannot load Certification Authority data, CAfile="...": disabling TLS support`. */
  readonly problem: string;
}

/** Where they are found. */
export interface AuthoritySources {
  /** A file with certificates (smtp_tls_CAfile); "" for none. */
  readonly file: string;
  /** A folder with files named by hash (smtp_tls_CApath); "" for none. */
  readonly folder: string;
  /** Those of the system too, where one of the two is set (tls_append_default_CA). */
  readonly appendSystem: boolean;
  /** Those of the system also where neither is set: what the web takes for granted (RFC 8461 §3.3, §4.2). */
  readonly systemAlone?: boolean;
}

/** Nobody: every certificate is from a stranger. */
export const NO_AUTHORITIES: Authorities = { pem: "", has: () => false };

/** How long files are believed to be as they were, in milliseconds. */
const FRESH = 5000;

/** Authorities that are read again when their files have changed. A file that has gone bad changes nothing: the last good one holds. */
export class AuthorityStore {
  readonly #sources: AuthoritySources;
  readonly #files: TlsFiles;
  readonly #warn: (text: string) => void;
  #current: Authorities | AuthoritiesFault | undefined;
  #seen: readonly (string | undefined)[] = [];
  #looked = -Infinity;

  constructor(sources: AuthoritySources, files: TlsFiles, warn: (text: string) => void) {
    this.#sources = sources;
    this.#files = files;
    this.#warn = warn;
  }

  current(): Authorities | AuthoritiesFault {
    const now = this.#files.now();
    if (this.#current !== undefined && now - this.#looked < FRESH && now >= this.#looked) {
      return this.#current;
    }
    this.#looked = now;
    const seen = [this.#sources.file, this.#sources.folder].map((path) =>
      path === "" ? undefined : this.#files.stampOf(path)?.text
    );
    if (this.#current !== undefined && seen.every((each, i) => each === this.#seen[i])) {
      return this.#current;
    }
    this.#seen = seen;
    const read = readAuthorities(this.#sources, this.#files);
    if (!("problem" in read)) return this.#current = read;
    const hadGood = this.#current !== undefined && !("problem" in this.#current);
    this.#warn(
      hadGood
        ? `${read.problem.replace(/: disabling TLS support$/, "")}: the old ones are used`
        : read.problem,
    );
    return this.#current = hadGood && this.#current !== undefined ? this.#current : read;
  }
}

/** Reads them once. */
export function readAuthorities(
  { file, folder, appendSystem, systemAlone = false }: AuthoritySources,
  files: TlsFiles,
): Authorities | AuthoritiesFault {
  if (file === "" && folder === "" && !systemAlone) return NO_AUTHORITIES;
  const texts: string[] = [];
  try {
    if (file !== "") texts.push(certificatesIn(files.read(file), file));
    if (folder !== "") texts.push(files.readFolder(folder));
    if (appendSystem || systemAlone) texts.push(systemCa());
  } catch (error) {
    return { problem: problemOf(file, folder, systemErrorText(error)) };
  }
  const pem = texts.join("\n");
  return { pem, has: membersOf(pem) };
}

function problemOf(file: string, folder: string, why: string): string {
  const names = [file && `CAfile="${file}"`, folder && `CApath="${folder}"`].filter((name) => name !== "");
  return `cannot load Certification Authority data, ${names.join(", ")}: ${why}: disabling TLS support`;
}

function certificatesIn(text: string, file: string): string {
  if (isEmptyOfCertificates(text)) throw new Error(`no certificate in ${file}`);
  return text;
}

const CERTIFICATES = new Set(["CERTIFICATE", "X509 CERTIFICATE"]);

function isEmptyOfCertificates(text: string): boolean {
  return !pemObjects(text).objects.some(({ type }) => CERTIFICATES.has(type));
}

function membersOf(pem: string): (certificate: Buffer) => boolean {
  const members = new Set(
    pemObjects(pem).objects.filter(({ type }) => CERTIFICATES.has(type))
      .map(({ der }) => Buffer.from(der).toString("latin1")),
  );
  return (certificate) => members.has(certificate.toString("latin1"));
}
