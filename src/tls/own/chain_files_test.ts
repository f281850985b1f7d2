import { expect } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { inFolder, KEY_FILE_CASES, makeKeyFiles } from "../../../test/kit/key_files.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { createTlsContext } from "../../platform/socket/tls_context.ts";
import { materialOf } from "./chain.ts";
import { loadOwnChains, loadSniChains, type OwnChains } from "./chain_files.ts";
import { type ChainSettings, ownFilesOf } from "./chain_parameters.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "openssl");

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "keys-"));
  makeKeyFiles(folder);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const read = (path: string) => fs.readFileSync(path, "latin1");

function settings(set: Readonly<Record<string, string>>): ChainSettings<"smtpd"> {
  const value = (name: string) => inFolder(folder, set[name] ?? "");
  const certificate = value("smtpd_tls_cert_file");
  return {
    smtpd_tls_chain_files: value("smtpd_tls_chain_files"),
    smtpd_tls_cert_file: certificate,
    smtpd_tls_key_file: value("smtpd_tls_key_file") || certificate,
    smtpd_tls_eccert_file: value("smtpd_tls_eccert_file"),
    smtpd_tls_eckey_file: value("smtpd_tls_eckey_file") || value("smtpd_tls_eccert_file"),
    smtpd_tls_dcert_file: value("smtpd_tls_dcert_file"),
    smtpd_tls_dkey_file: value("smtpd_tls_dkey_file") || value("smtpd_tls_dcert_file"),
  };
}

const load = (set: Readonly<Record<string, string>>) =>
  loadOwnChains(ownFilesOf("smtpd", settings(set)), read);

function wordsOf(loaded: OwnChains): readonly string[] {
  if (loaded.is === "none") return ["No server certs available. TLS won't be enabled"];
  // The library's own words are not Postfix's.
  const words = loaded.is === "fault" ? loaded.fault.words : loaded.notes;
  return words.filter((line) => !line.startsWith("TLS library problem"));
}

for (const { name, settings: set, serves, words } of KEY_FILE_CASES) {
  test(`${name}: ${serves ? "serves" : "does not serve"}, in Postfix's words`, () => {
    const files = ownFilesOf("smtpd", settings(set));
    const loaded = loadOwnChains(files, read);
    expect([...files.warnings, ...wordsOf(loaded)]).toEqual(words.map((line) => inFolder(folder, line)));
    expect(loaded.is === "loaded").toBe(serves);
    if (loaded.is === "loaded") createTlsContext({ ca: "", ...materialOf(loaded.chains) });
    if (loaded.is === "fault") expect(loaded.fault.fix).toMatch(/^smtpd_tls_\w+: \/.*\/\w+\.\w+: ./);
  });
}

test("what helps names the parameter, the file and what to do", () => {
  const fixOf = (set: Readonly<Record<string, string>>) => {
    const loaded = load(set);
    return loaded.is === "fault" ? loaded.fault.fix.replaceAll(folder, "D") : loaded.is;
  };
  const encrypted = { smtpd_tls_cert_file: "D/rsa.crt", smtpd_tls_key_file: "D/encrypted.key" };
  expect(fixOf(encrypted)).toBe(
    "smtpd_tls_key_file: D/encrypted.key: the key is encrypted; write it without a pass phrase: " +
      "openssl pkey -in D/encrypted.key -out NEW-FILE",
  );
  expect(fixOf({ smtpd_tls_chain_files: "D/encrypted.pem" })).toContain("openssl pkey -in D/encrypted.pem");
  expect(fixOf({ smtpd_tls_cert_file: "D/no.crt" })).toBe(
    "smtpd_tls_cert_file: D/no.crt: No such file or directory; name a file that is there",
  );
  expect(fixOf({ smtpd_tls_cert_file: "D/rsa.crt", smtpd_tls_key_file: "D/rsa2.key" })).toBe(
    "smtpd_tls_key_file: D/rsa2.key: this key does not belong to the certificate in D/rsa.crt",
  );
});

test("the newest of an algorithm counts, and one of each is shown", () => {
  const algorithms = (set: Readonly<Record<string, string>>) => {
    const loaded = load(set);
    return loaded.is === "loaded"
      ? [...loaded.chains].map(([name, { certificateSource }]) => [name, path.basename(certificateSource)])
      : loaded.is;
  };
  expect(algorithms({ smtpd_tls_chain_files: "D/good.pem D/ec.key D/ec.crt" })).toEqual([
    ["rsa", "good.pem"],
    ["ec", "ec.crt"],
  ]);
  const twice = {
    smtpd_tls_cert_file: "D/rsa.crt",
    smtpd_tls_key_file: "D/rsa.key",
    smtpd_tls_eccert_file: "D/rsa2.crt",
    smtpd_tls_eckey_file: "D/rsa2.key",
  };
  expect(algorithms(twice)).toEqual([["rsa", "rsa2.crt"]]);
});

test("smtpd_tls_cert_file = none stands for no file, in any case of letters, and the client has no such word", () => {
  const none = ownFilesOf("smtpd", settings({ smtpd_tls_cert_file: "NONE" }));
  expect([none.isNone, none.pairs]).toEqual([true, []]);
  const client = ownFilesOf("lmtp", {
    lmtp_tls_chain_files: "",
    lmtp_tls_cert_file: "none",
    lmtp_tls_key_file: "none",
    lmtp_tls_eccert_file: "",
    lmtp_tls_eckey_file: "",
    lmtp_tls_dcert_file: "",
    lmtp_tls_dkey_file: "",
  });
  expect([client.isNone, client.pairs.map(({ certificate }) => certificate)]).toEqual([
    false,
    [{ parameter: "lmtp_tls_cert_file", path: "none" }],
  ]);
});

test("a DSA certificate is passed over, and said so", () => {
  fs.writeFileSync(path.join(folder, "dsa.pem"), DSA);
  const loaded = load({ smtpd_tls_cert_file: "D/good.pem", smtpd_tls_dcert_file: "D/dsa.pem" });
  expect(loaded.is === "loaded" && [[...loaded.chains.keys()], loaded.notes]).toEqual([
    ["rsa"],
    [`${folder}/dsa.pem: a certificate for a key of dsa is not used: no TLS here can show it`],
  ]);
});

test("the values of tls_server_sni_maps are chains, or why not", () => {
  const good = loadSniChains("mail.example.com", read(path.join(folder, "both.pem")));
  expect(good.is === "loaded" && [...good.chains.keys()]).toEqual(["ec", "rsa"]);
  const bad = loadSniChains("mail.example.com", read(path.join(folder, "mixed.pem")));
  expect(wordsOf(bad)).toEqual([
    "error loading chain from SNI data for mail.example.com: key not first",
    "error loading private keys and certificates from: SNI data for mail.example.com: aborting TLS handshake",
  ]);
});

test("no fault and no note holds a line of a key", () => {
  const said = KEY_FILE_CASES.flatMap(({ settings: set }) => {
    const loaded = load(set);
    return loaded.is === "fault" ? [...loaded.fault.words, loaded.fault.fix] : wordsOf(loaded);
  }).join("\n");
  const secrets = read(path.join(folder, "rsa.key")).split("\n").filter((line) => line.length > 40);
  expect(secrets.filter((line) => said.includes(line))).toEqual([]);
  expect(said).not.toContain("-----BEGIN");
});

const DSA = `-----BEGIN PRIVATE KEY-----
MIIBXAIBADCCATQGByqGSM44BAEwggEnAoGBALm4ypghT4hOlDjzre9X5J6V2qYV
72aypxL+zfYg/5vhu30wuNVUnTxBUeLw7QYT+VpyfT8UY5+J4gGgV7uYCGKrmw4b
wLY+wkO+aUV5iEI/c6r25saLOb/3sKKRVgaJGLLj2PO4Nxmx1k+QRw3mN3letx8U
S9YqenR+cXyWvd/HAh0A6XVNzF8mzcnlyXHLE1KE8Jnks/OIZd+wZzIY0QKBgQCl
iiWukj/8zF79TIFJhmmAOLfyJ/+g3Lo20ItdS+/xl+bZ71HGsQY09UchO/pXGIQs
APmijcgY4Ydn0Kwe92owTmffk74geQrcYXX8Yw0bFFvxjgZrl/YZH3Wpo5O0ncbv
14ebJjPckbYeJGxyUflpmPBpTY4XzvVPljn2cKkZvQQfAh0Aq2jnV1vkCnLp0ofh
jO1wvnbSor+pFfq4x8bMhQ==
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIC0zCCAoCgAwIBAgIUOg7nI01lMoM9wxSwwwZn1DlYsZowCwYJYIZIAWUDBAMC
MA4xDDAKBgNVBAMMA2RzYTAeFw0yNjExMzAxMTQ3MzdaFw0yNjEyMDMxMTQ3Mzda
MA4xDDAKBgNVBAMMA2RzYTCCAb8wggE0BgcqhkjOOAQBMIIBJwKBgQC5uMqYIU+I
TpQ4863vV+SeldqmFe9msqcS/s32IP+b4bt9MLjVVJ08QVHi8O0GE/lacn0/FGOf
ieIBoFe7mAhiq5sOG8C2PsJDvmlFeYhCP3Oq9ubGizm/97CikVYGiRiy49jzuDcZ
sdZPkEcN5jd5XrcfFEvWKnp0fnF8lr3fxwIdAOl1TcxfJs3J5clxyxNShPCZ5LPz
iGXfsGcyGNECgYEApYolrpI//Mxe/UyBSYZpgDi38if/oNy6NtCLXUvv8Zfm2e9R
xrEGNPVHITv6VxiELAD5oo3IGOGHZ9CsHvdqME5n35O+IHkK3GF1/GMNGxRb8Y4G
a5f2GR91qaOTtJ3G79eHmyYz3JG2HiRsclH5aZjwaU2OF871T5Y59nCpGb0DgYQA
AoGAUnfTl+a5S6D69pF0SKgI3GdkKJzQ0/uBleBJXsAmqlmKSMBvxMYx2RGBeVoo
uaC3DJjR+V9t8fqyPkgL9o49ct1+3vYrHqtW9jX89Bp8JQlF9Fg8LsFHPIDKHA2n
rLlqx5adH3yj22RmSP1fuojaV17/7nnGKFrgGju1OyE+QzGjUzBRMB0GA1UdDgQW
BBSVoiEPb39pWoFm/ykGYw53Lxw7wzAfBgNVHSMEGDAWgBSVoiEPb39pWoFm/ykG
Yw53Lxw7wzAPBgNVHRMBAf8EBTADAQH/MAsGCWCGSAFlAwQDAgNAADA9Ah0Aogk7
Vp6PeTfAHKtKXNLYDGb7YnfRb1iT0v89kgIcfJKFRQvBpfTeYRhEHBp5P7SLOwnY
nI/Pl9ICNg==
-----END CERTIFICATE-----
`;

test("a server without files of its own has the certificate that ACME keeps; until there is one, it has none, and why", () => {
  const acme = { ...settings({}), acme_domains: "mail.example.com", data_directory: "/var/lib/mta" };
  const files = ownFilesOf("smtpd", acme);
  expect(files.chainFiles).toEqual([{
    parameter: "acme_domains",
    path: "/var/lib/mta/acme/certificate.pem",
  }]);
  const loaded = loadOwnChains(files, read);
  expect(loaded.is === "fault" && [loaded.fault.words, loaded.fault.fix]).toEqual([
    ["No server certs available. TLS won't be enabled"],
    'acme_domains: /var/lib/mta/acme/certificate.pem: the first certificate is being ordered; the log and "mta acme status" say how ' +
    "that goes",
  ]);
  const own = (set: Readonly<Record<string, string>>) => ownFilesOf("smtpd", { ...acme, ...settings(set) });
  expect(own({ smtpd_tls_cert_file: "D/rsa.crt" }).chainFiles).toEqual([]);
  expect(own({ smtpd_tls_chain_files: "D/good.pem" }).chainFiles.map(({ parameter }) => parameter)).toEqual([
    "smtpd_tls_chain_files",
  ]);
  expect(own({ smtpd_tls_cert_file: "none" }).chainFiles).toEqual([]);
});
