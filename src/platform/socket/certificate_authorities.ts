import fs from "node:fs";
import { join } from "node:path";
import { readPlain } from "../file/random_access_file.ts";

/** Where Debian, Fedora, Alpine and SUSE keep the certificates of the authorities that the system trusts. */
const SYSTEM_CA_FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
  "/etc/ssl/ca-bundle.pem",
];
const CERTIFICATES_IN_A_FOLDER = 2000;
/** Bytes of a file with certificates or a key. */
export const LARGEST_PEM = 4 << 20;

/** The files of a folder with authorities, which are named by hash (`9d66eef0.0`, c_rehash(1)). Throws the system's error. */
export function caFiles(folder: string): string[] {
  const names = fs.readdirSync(folder).filter((name) => /^[0-9a-f]{8}\.[0-9]+$/.test(name)).sort();
  return names.slice(0, CERTIFICATES_IN_A_FOLDER).map((name) => join(folder, name));
}

/** PEM text of the authorities in a folder. Throws the system's error. */
export function caFolder(folder: string): string {
  return caFiles(folder).map((path) => readPlain(path, LARGEST_PEM).toString()).join("\n");
}

/** PEM text of the authorities that the system trusts; "" when there are none. */
export function systemCa(): string {
  const file = SYSTEM_CA_FILES.find((name) => fs.existsSync(name));
  return file === undefined ? "" : fs.readFileSync(file, "utf8");
}
