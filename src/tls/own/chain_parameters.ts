import type { ParameterName } from "../../config/parameters/settings_type.ts";

/** Which program's parameters count: smtpd(8), smtp(8), and smtp(8) under the name lmtp. */
export type TlsSide = "smtpd" | "smtp" | "lmtp";

/** The certificates and keys that the server shows (postconf(5)). */
export const SMTPD_CHAIN_PARAMETERS = [
  "smtpd_tls_chain_files",
  "smtpd_tls_cert_file",
  "smtpd_tls_key_file",
  "smtpd_tls_eccert_file",
  "smtpd_tls_eckey_file",
  "smtpd_tls_dcert_file",
  "smtpd_tls_dkey_file",
  "acme_domains",
  "data_directory",
] as const satisfies readonly ParameterName[];

/** Those that the client shows when it is asked. */
export const SMTP_CHAIN_PARAMETERS = [
  "smtp_tls_chain_files",
  "smtp_tls_cert_file",
  "smtp_tls_key_file",
  "smtp_tls_eccert_file",
  "smtp_tls_eckey_file",
  "smtp_tls_dcert_file",
  "smtp_tls_dkey_file",
] as const satisfies readonly ParameterName[];

/** Those of the LMTP client. */
export const LMTP_CHAIN_PARAMETERS = [
  "lmtp_tls_chain_files",
  "lmtp_tls_cert_file",
  "lmtp_tls_key_file",
  "lmtp_tls_eccert_file",
  "lmtp_tls_eckey_file",
  "lmtp_tls_dcert_file",
  "lmtp_tls_dkey_file",
] as const satisfies readonly ParameterName[];

type ChainParameter =
  | "chain_files"
  | `${"" | "d" | "ec"}cert_file`
  | `${"" | "d" | "ec"}key_file`;

/** The settings that say which files a side's certificates are in; a server's may come from ACME. */
export type ChainSettings<Side extends TlsSide> =
  & { readonly [Name in `${Side}_tls_${ChainParameter}`]: string }
  & AcmePlace;

/** What says whether ACME orders a certificate, and where it is kept. */
interface AcmePlace {
  readonly acme_domains?: string;
  readonly data_directory?: string;
}

/** Where the certificate that ACME orders is kept, its key first. */
export function acmeCertificate(dataDirectory: string): string {
  return `${dataDirectory}/acme/certificate.pem`;
}

/** A file and the parameter that names it. */
export interface NamedFile {
  readonly parameter: string;
  readonly path: string;
}

/** A certificate and its key; `key` names the same file where both are in one. */
export interface FilePair {
  readonly kind: "RSA" | "DSA" | "ECDSA";
  readonly certificate: NamedFile;
  readonly key: NamedFile;
}

/** Where a side's certificates and keys are. */
export interface OwnFiles {
  readonly side: TlsSide;
  /** These count, and the pairs do not, unless empty. */
  readonly chainFiles: readonly NamedFile[];
  /** The value that names them, as it is written. */
  readonly chainValue: string;
  readonly pairs: readonly FilePair[];
  /** `smtpd_tls_cert_file = none`: a server that shows none, on purpose. */
  readonly isNone: boolean;
  /** What is to be said of the settings, in Postfix's words. */
  readonly warnings: readonly string[];
}

const KINDS = [["", "RSA"], ["d", "DSA"], ["ec", "ECDSA"]] as const;

/** Where the certificates and keys of a side are, by its settings. */
export function ownFilesOf<Side extends TlsSide>(side: Side, settings: ChainSettings<Side>): OwnFiles {
  const value = (name: ChainParameter): NamedFile => {
    const parameter: `${Side}_tls_${ChainParameter}` = `${side}_tls_${name}`;
    return { parameter, path: settings[parameter] };
  };
  const list = value("chain_files");
  const chainFiles = list.path.split(/[\s,]+/).filter((path) => path !== "")
    .map((path) => ({ parameter: list.parameter, path }));
  const certificate = value("cert_file");
  const isNone = side === "smtpd" && certificate.path.toLowerCase() === "none";
  const pairs = KINDS.map(([prefix, kind]) => ({
    kind,
    certificate: value(`${prefix}cert_file`),
    key: value(`${prefix}key_file`),
  })).filter(({ kind, certificate: { path } }) => path !== "" && !(kind === "RSA" && isNone));
  const warnings = side === "smtpd" && chainFiles.length > 0 && pairs.length > 0 ? [BOTH] : [];
  const own = { side, chainFiles, chainValue: list.path, pairs, isNone, warnings };
  const isEmpty = chainFiles.length === 0 && pairs.length === 0 && !isNone;
  return side === "smtpd" && isEmpty ? { ...own, ...acmeFiles(settings) } : own;
}

/** The certificate that ACME orders, where it does: for a server that has none of its own. */
function acmeFiles(
  { acme_domains: domains = "", data_directory: folder = "" }: AcmePlace,
): Partial<Pick<OwnFiles, "chainFiles" | "chainValue">> {
  if (domains.trim() === "") return {};
  const path = acmeCertificate(folder);
  return { chainFiles: [{ parameter: "acme_domains", path }], chainValue: path };
}

/** The spaces are Postfix's. */
const BOTH =
  "Both smtpd_tls_chain_files and one or more of the legacy  smtpd_tls_cert_file, smtpd_tls_eccert_file or " +
  "smtpd_tls_dcert_file are non-empty; the legacy  parameters will be ignored";

/** All files that a side's certificates are read from. */
export function pathsOf({ chainFiles, pairs }: OwnFiles): readonly NamedFile[] {
  const all = chainFiles.length > 0
    ? chainFiles
    : pairs.flatMap(({ certificate, key }) => [certificate, key]);
  const seen = new Set<string>();
  return all.filter(({ path }) => !seen.has(path) && seen.add(path));
}
