import { expect } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { selfSigned } from "../../../test/kit/memory/self_signed.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { loadConfiguration } from "../../config/load.ts";
import { ownTlsFiles } from "../../tls/tls_files.ts";
import { checkCertificates } from "./check_certificates.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "openssl");

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "certificates-"));
  fs.chmodSync(folder, 0o755);
  const mail = selfSigned("mail.example.com");
  write("good.pem", `${mail.key}${mail.certificate}`);
  write("key.pem", mail.key);
  write("cert.pem", mail.certificate);
  write("other.pem", `${selfSigned("other.example").key}${mail.certificate}`);
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

function write(name: string, text: string, mode = 0o600): void {
  fs.writeFileSync(path.join(folder, name), text);
  fs.chmodSync(path.join(folder, name), mode);
}

const MASTER =
  "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n -o smtpd_tls_security_level=encrypt\n";

/** Findings but for how long the certificates last, with `D` for the folder. */
function findings(main: string, master = MASTER) {
  const texts = {
    main: `myhostname = mail.example.com\n${main.replaceAll("D/", `${folder}/`)}`,
    master: master.replaceAll("D/", `${folder}/`),
    overrides: [],
  };
  const loaded = loadConfiguration({ directory: "/etc/x", texts });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return checkCertificates(loaded.configuration, ownTlsFiles)
    .filter(({ text }) => !text.includes("expires on"))
    .map(({ severity, text, file, line, parameter, service }) => ({
      severity,
      text: text.replaceAll(`${folder}/`, "D/"),
      at: [file, line, service, parameter],
    }));
}

const SELF =
  "D/good.pem: the certificate of mail.example.com has signed itself: whoever looks at it trusts it only by its fingerprint";

test("a good pair is held against what others look at, with file, line and parameter", () => {
  expect(findings("smtpd_tls_security_level = may\nsmtpd_tls_chain_files = D/good.pem\n")).toEqual([
    {
      severity: "warning",
      text: `/etc/x/main.cf, line 3: ${SELF}`,
      at: ["/etc/x/main.cf", 3, undefined, "smtpd_tls_chain_files"],
    },
  ]);
  const named = findings(
    "myhostname = mx.example.net\nsmtpd_tls_security_level = may\nsmtpd_tls_chain_files = D/good.pem\n",
  );
  expect(named.map(({ text }) => text)[1]).toBe(
    "/etc/x/main.cf, line 4: D/good.pem: the certificate is for mail.example.com, not for mx.example.net: clients that look at " +
      "the name refuse it",
  );
});

test("what cannot be served shuts a service that demands TLS, and makes another weaker", () => {
  const cannot =
    'cannot get RSA private key from file "D/none.pem": disabling TLS support: D/none.pem: No such file or directory; ' +
    "name a file that is there";
  const main =
    "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = D/cert.pem\nsmtpd_tls_key_file = D/none.pem\n";
  expect(findings(main)).toEqual([{
    severity: "closed",
    text: `/etc/x/main.cf, line 4: ${cannot}; submission/inet takes no mail, as it takes it over TLS alone`,
    at: ["/etc/x/main.cf", 4, undefined, "smtpd_tls_key_file"],
  }]);
  expect(findings(main, "smtp inet n - n - - smtpd\n")).toEqual([{
    severity: "weaker",
    text:
      `/etc/x/main.cf, line 4: ${cannot}; smtp/inet: STARTTLS is answered with 454, and mail comes in the clear`,
    at: ["/etc/x/main.cf", 4, undefined, "smtpd_tls_key_file"],
  }]);
});

test("values of master.cf are found there", () => {
  const master =
    "smtp inet n - n - - smtpd\n -o smtpd_tls_security_level=may\n -o smtpd_tls_chain_files=D/other.pem\n";
  const [found] = findings("", master);
  expect(found!.at).toEqual(["/etc/x/master.cf", 1, "smtp/inet", "smtpd_tls_chain_files"]);
  expect(found!.text).toStartWith(
    "/etc/x/master.cf, line 1, service smtp/inet: key at index 1 in D/other.pem does not match",
  );
});

test("a server without certificate, one that wants no TLS, and one with too many", () => {
  const texts = (main: string) =>
    findings(`smtpd_tls_security_level = may\n${main}`, "smtp inet n - n - - smtpd\n").map(({ text }) =>
      text
    );
  // The check of the files has said so.
  expect(texts("")).toEqual([]);
  expect(findings("", "smtp inet n - n - - smtpd\n")).toEqual([]);
  expect(texts("smtpd_tls_chain_files = D/good.pem\nsmtpd_tls_cert_file = D/cert.pem\n")[0]).toContain(
    "Both smtpd_tls_chain_files and one or more of the legacy",
  );
});

test("a client's certificate is not asked for our name; a bad one means no TLS", () => {
  const master = "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n";
  expect(
    findings("myhostname = another.example\nsmtp_tls_chain_files = D/good.pem\n", master).map(({ text }) =>
      text
    ),
  ).toEqual([
    `/etc/x/main.cf, line 3: ${SELF}`,
  ]);
  expect(findings("smtp_tls_cert_file = D/cert.pem\n", master).map(({ severity, text }) => [severity, text]))
    .toEqual([[
      "weaker",
      "/etc/x/main.cf, line 2: No private key found in D/cert.pem; error loading private keys and certificates from: D/cert.pem: " +
      "disabling TLS support: D/cert.pem: add the key, or name its file in the key_file parameter; smtp/unix, relay/unix: no TLS",
    ]]);
});

test("a key that every user may read is told of, unless a folder keeps them out", () => {
  write("open.pem", fs.readFileSync(path.join(folder, "good.pem"), "utf8"), 0o644);
  fs.mkdirSync(path.join(folder, "shut"), { mode: 0o700 });
  write("shut/open.pem", fs.readFileSync(path.join(folder, "good.pem"), "utf8"), 0o644);
  const texts = (file: string) =>
    findings(`smtpd_tls_security_level = may\nsmtpd_tls_chain_files = ${file}\n`).map(({ text }) => text)
      .filter((text) => text.includes("chmod"));
  expect(texts("D/open.pem")).toEqual([
    "/etc/x/main.cf, line 3: D/open.pem: every user of this machine may read this key: chmod o-rwx D/open.pem",
  ]);
  expect(texts("D/shut/open.pem")).toEqual([]);
});

test("certificates for names that clients ask for are held against those names", () => {
  write(
    "sni",
    `mail.example.com ${folder}/good.pem\nmx.example.net ${folder}/good.pem\n.bad.example ${folder}/key.pem\n`,
  );
  const main =
    "smtpd_tls_security_level = may\nsmtpd_tls_chain_files = D/good.pem\ntls_server_sni_maps = hash:D/sni\n";
  const found = findings(main).filter(({ at }) => at.includes("tls_server_sni_maps")).map((
    { severity, text },
  ) => [severity, text]);
  expect(found).toEqual([
    ["warning", `/etc/x/main.cf, line 4: ${SELF}`],
    ["warning", `/etc/x/main.cf, line 4: ${SELF}`],
    [
      "warning",
      "/etc/x/main.cf, line 4: D/good.pem: the certificate is for mail.example.com, not for mx.example.net: clients that look at the name " +
      "refuse it",
    ],
    [
      "weaker",
      "/etc/x/main.cf, line 4: No certs for key at index 1 in D/key.pem; error loading private keys and certificates from: D/key.pem: " +
      "disabling TLS support: D/key.pem: put the certificate behind its key; whoever asks for .bad.example gets no handshake",
    ],
  ]);
});
