// Files with keys and certificates, good ones and every kind of bad one, and what Postfix 3.7.11 says of each: held beside the real
// one by test/interop/tls/key_files_test.ts.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

/** Settings, `D` for the folder with the files; whether a server offers TLS with them, and what it logs. */
export interface KeyFileCase {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly serves: boolean;
  /** Without what its TLS library says by itself. */
  readonly words: readonly string[];
}

const joined = (file: string) => ({ smtpd_tls_cert_file: `D/${file}` });
const pair = (cert: string, key: string) => ({
  smtpd_tls_cert_file: `D/${cert}`,
  smtpd_tls_key_file: `D/${key}`,
});
const ecPair = (cert: string, key: string) => ({
  smtpd_tls_eccert_file: `D/${cert}`,
  smtpd_tls_eckey_file: `D/${key}`,
});
const chain = (...files: readonly string[]) => ({
  smtpd_tls_chain_files: files.map((file) => `D/${file}`).join(","),
});
const noCertificate = (file: string) =>
  `cannot get RSA certificate from file "D/${file}": disabling TLS support`;
const noKey = (file: string) => `cannot get RSA private key from file "D/${file}": disabling TLS support`;
const notLoaded = (file: string) =>
  `error loading private keys and certificates from: D/${file}: disabling TLS support`;

function good(
  name: string,
  settings: Readonly<Record<string, string>>,
  ...words: readonly string[]
): KeyFileCase {
  return { name, settings, serves: true, words };
}

function bad(
  name: string,
  settings: Readonly<Record<string, string>>,
  ...words: readonly string[]
): KeyFileCase {
  return { name, settings, serves: false, words };
}

const BOTH = "Both smtpd_tls_chain_files and one or more of the legacy  smtpd_tls_cert_file, " +
  "smtpd_tls_eccert_file or smtpd_tls_dcert_file are non-empty; the legacy  parameters will be ignored";

/** A row a kind of fault. */
export const KEY_FILE_CASES: readonly KeyFileCase[] = [
  good("separate files", pair("rsa.crt", "rsa.key")),
  good("ECDSA", ecPair("ec.crt", "ec.key")),
  good("RSA and ECDSA", { ...pair("rsa.crt", "rsa.key"), ...ecPair("ec.crt", "ec.key") }),
  good("RSA under ECDSA's names", ecPair("rsa.crt", "rsa.key")),
  good("RSA twice", { ...pair("rsa.crt", "rsa.key"), ...ecPair("rsa2.crt", "rsa2.key") }),
  bad("no certificate file", pair("no.crt", "rsa.key"), noCertificate("no.crt")),
  bad("no key file", pair("rsa.crt", "no.key"), noKey("no.key")),
  bad(
    "no ECDSA key file",
    ecPair("ec.crt", "no.key"),
    'cannot get ECDSA private key from file "D/no.key": disabling TLS support',
  ),
  bad("another's key", pair("rsa.crt", "rsa2.key"), noKey("rsa2.key")),
  bad(
    "a key of another algorithm",
    pair("rsa.crt", "ec.key"),
    "RSA private key in D/ec.key does not match public key in D/rsa.crt: disabling TLS support",
  ),
  bad("an encrypted key", pair("rsa.crt", "encrypted.key"), noKey("encrypted.key")),
  bad("a key encrypted the old way", pair("rsa.crt", "encrypted1.key"), noKey("encrypted1.key")),
  bad("an empty certificate file", pair("empty.pem", "rsa.key"), noCertificate("empty.pem")),
  bad("no PEM", pair("junk.pem", "rsa.key"), noCertificate("junk.pem")),
  bad("an empty key file", pair("rsa.crt", "empty.pem"), noKey("empty.pem")),
  bad("half a key", pair("rsa.crt", "half.key"), noKey("half.key")),
  bad("half a certificate", pair("half.crt", "rsa.key"), noCertificate("half.crt")),
  bad("a damaged certificate", pair("damaged.crt", "rsa.key"), noCertificate("damaged.crt")),
  bad("names changed round", pair("rsa.key", "rsa.crt"), noCertificate("rsa.key")),
  bad(
    "one pair of two is bad",
    { ...joined("no.crt"), ...ecPair("ec.crt", "ec.key") },
    "error opening chain file: D/no.crt: No such file or directory",
  ),

  good("joined, certificate first", joined("mixed.pem")),
  good("joined, key first", joined("good.pem")),
  good(
    "joined with two keys",
    joined("mixed2.pem"),
    "ignoring 2nd key at index 3 in D/mixed2.pem after 1st at 2",
  ),
  bad("joined without key", joined("rsa.crt"), "No private key found in D/rsa.crt", notLoaded("rsa.crt")),
  bad(
    "joined, no file",
    joined("no.pem"),
    "error opening chain file: D/no.pem: No such file or directory",
  ),
  bad(
    "joined, encrypted",
    joined("encrypted.pem"),
    "No private key found in D/encrypted.pem",
    notLoaded("encrypted.pem"),
  ),
  bad(
    "joined with another's key",
    joined("mismatch.pem"),
    "key at index 1 in D/mismatch.pem does not match next certificate",
    notLoaded("mismatch.pem"),
  ),
  bad("joined, empty", joined("empty.pem"), "No PEM data in D/empty.pem", notLoaded("empty.pem")),
  bad("joined, half a key", joined("half.pem"), notLoaded("half.pem")),
  bad(
    "joined, nothing but a key",
    joined("key.pem"),
    "No certs for key at index 1 in D/key.pem",
    notLoaded("key.pem"),
  ),

  good("chain_files: one", chain("good.pem")),
  good("chain_files: key and certificate apart", chain("rsa.key", "rsa.crt")),
  good("chain_files: RSA and ECDSA in a file", chain("both.pem")),
  good("chain_files: RSA and ECDSA in files", chain("good.pem", "ec.key", "ec.crt")),
  good(
    "chain_files: parameters of the curve",
    chain("parameters.pem"),
    "loading D/parameters.pem: ignoring PEM type: EC PARAMETERS",
  ),
  good("chain_files beat cert_file", { ...chain("good.pem"), ...joined("no.crt") }, BOTH),
  bad(
    "chain_files: certificate first",
    chain("mixed.pem"),
    "error loading chain from D/mixed.pem: key not first",
    notLoaded("mixed.pem"),
  ),
  bad(
    "chain_files: another's key",
    chain("mismatch.pem"),
    "key at index 1 in D/mismatch.pem does not match next certificate",
    notLoaded("mismatch.pem"),
  ),
  bad(
    "chain_files: another's key in the first of two",
    chain("first.pem"),
    "error loading certificate chain: key at index 1 in D/first.pem does not match the certificate",
    notLoaded("first.pem"),
  ),
  bad(
    "chain_files: two keys together",
    chain("keys.pem"),
    "error loading certificate chain: key at index 1 in D/keys.pem not followed by a certificate",
    notLoaded("keys.pem"),
  ),
  bad(
    "chain_files: a key and no certificate",
    chain("key.pem"),
    "No certs for key at index 1 in D/key.pem",
    notLoaded("key.pem"),
  ),
  bad(
    "chain_files: a key and no certificate at the end",
    chain("last.pem"),
    "No certs for key at index 3 in D/last.pem",
    notLoaded("last.pem"),
  ),
  bad(
    "chain_files: two of an algorithm",
    chain("two.pem"),
    "key at index 3 in D/two.pem does not match next certificate",
    notLoaded("two.pem"),
  ),
  bad("chain_files: empty", chain("empty.pem"), "No PEM data in D/empty.pem", notLoaded("empty.pem")),
  bad(
    "chain_files: encrypted",
    chain("encrypted.pem"),
    "loading D/encrypted.pem: ignoring PEM type: ENCRYPTED PRIVATE KEY",
    "error loading chain from D/encrypted.pem: key not first",
    notLoaded("encrypted.pem"),
  ),
  bad("chain_files: half a key", chain("half.pem"), notLoaded("half.pem")),
  bad("chain_files: half a certificate", chain("half_certificate.pem"), notLoaded("half_certificate.pem")),
  bad(
    "chain_files: a damaged certificate",
    chain("damaged.pem"),
    "error loading certificate (PEM object number 2) from D/damaged.pem",
    notLoaded("damaged.pem"),
  ),

  bad("none named", {}, "No server certs available. TLS won't be enabled"),
  bad(
    "a key without certificate",
    { smtpd_tls_key_file: "D/rsa.key" },
    "No server certs available. TLS won't be enabled",
  ),
];

/** The settings and words of a case for the files in this folder. */
export function inFolder(folder: string, text: string): string {
  return text.replace(/\bD(?=\/)/g, folder);
}

const openssl = (folder: string, ...args: readonly string[]) =>
  execFileSync("openssl", [...args], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });

/** Makes the files of the cases. */
export function makeKeyFiles(folder: string): void {
  const read = (name: string) => fs.readFileSync(path.join(folder, name), "utf8");
  const write = (name: string, ...texts: readonly string[]) =>
    fs.writeFileSync(path.join(folder, name), texts.join(""));
  const certify = (name: string) =>
    openssl(
      folder,
      "req",
      "-x509",
      "-key",
      `${name}.key`,
      "-subj",
      `/CN=${name}`,
      "-days",
      "3",
      "-out",
      `${name}.crt`,
    );
  for (const name of ["rsa", "rsa2"]) {
    openssl(folder, "genpkey", "-algorithm", "rsa", "-out", `${name}.key`);
    certify(name);
  }
  openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.key");
  certify("ec");
  const encrypt = ["-in", "rsa.key", "-passout", "pass:secret"];
  openssl(folder, "pkcs8", "-topk8", ...encrypt, "-out", "encrypted.key");
  openssl(folder, "rsa", ...encrypt, "-traditional", "-aes128", "-out", "encrypted1.key");
  openssl(folder, "ecparam", "-name", "prime256v1", "-out", "curve.pem");
  const [key, crt, key2, crt2] = [read("rsa.key"), read("rsa.crt"), read("rsa2.key"), read("rsa2.crt")];
  const [ecKey, ecCrt] = [read("ec.key"), read("ec.crt")];
  const damaged = crt.replace("MII", "MIJ");
  write("empty.pem");
  write("junk.pem", "hello\n");
  write("half.key", key.slice(0, 900));
  write("half.crt", crt.slice(0, 700));
  write("damaged.crt", damaged);
  write("mixed.pem", crt, key);
  write("mixed2.pem", crt, key, ecKey);
  write("good.pem", key, crt);
  write("encrypted.pem", read("encrypted.key"), crt);
  write("mismatch.pem", key, ecCrt);
  write("half.pem", key.slice(0, 900), crt);
  write("half_certificate.pem", key, crt.slice(0, 700));
  write("damaged.pem", key, damaged);
  write("key.pem", key);
  write("both.pem", ecKey, ecCrt, key, crt);
  write("parameters.pem", read("curve.pem"), ecKey, ecCrt);
  write("first.pem", key, ecCrt, ecKey, ecCrt);
  write("keys.pem", key, ecKey, ecCrt);
  write("last.pem", key, crt, ecKey);
  write("two.pem", key, crt, key2, crt2);
}
