import { expect, test } from "bun:test";
import { loadConfiguration } from "../../config/load.ts";
import { tlsPathsOf } from "../../tls/tls_paths.ts";
import { lentKeys } from "./lent_keys.ts";

function pathsOf(main: string, master = "") {
  const texts = { main: `myhostname = mail.example.com\n${main}`, master, overrides: [] };
  const loaded = loadConfiguration({ directory: "/etc/x", texts });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return tlsPathsOf(loaded.configuration);
}

test("the files of TLS are those that main.cf and master.cf name, for every side", () => {
  const { files, folders } = pathsOf(
    "keys = /etc/keys\nsmtpd_tls_cert_file = $keys/cert.pem\nsmtpd_tls_key_file = ${keys}/key.pem\n" +
      "smtp_tls_chain_files = /a.pem, /b.pem /c.pem\nlmtp_tls_eccert_file = /ec.pem\nsmtp_tls_CAfile = /ca.pem\n" +
      "smtpd_tls_CApath = /cas\nsmtp_tls_trust_anchor_file = /anchor1 /anchor2\n",
    "smtps inet n - n - - smtpd\n -o smtpd_tls_cert_file=none\n -o smtpd_tls_chain_files=/smtps.pem\n",
  );
  expect([...files].sort()).toEqual([
    "/a.pem",
    "/anchor1",
    "/anchor2",
    "/b.pem",
    "/c.pem",
    "/ca.pem",
    "/ec.pem",
    "/etc/keys/cert.pem",
    "/etc/keys/key.pem",
    "/smtps.pem",
  ]);
  expect([...folders]).toEqual(["/cas"]);
});

test("lent is what has to be, a folder as one text, none that is too large, and none that a table names and is no PEM", () => {
  const secret: Record<string, string> = {
    "/key": "KEY",
    "/dkim.pem": "# mail\n-----BEGIN PRIVATE KEY-----\n",
    "/etc/shadow": "root:*:1::::::\n",
    "/cas/1": "ONE",
    "/cas/2": "TWO",
    "/big/1": "x".repeat(5 << 20),
  };
  const folders: Record<string, string[]> = { "/cas": ["/cas/1", "/cas/2", "/cas/open"], "/big": ["/big/1"] };
  const lent = lentKeys(
    {
      files: new Set(["/key", "/cert"]),
      folders: new Set(["/cas", "/big", "/none"]),
      named: new Set(["/dkim.pem", "/etc/shadow", "/none.pem"]),
    },
    { bytes: (path) => secret[path], authorities: (folder) => folders[folder] ?? [] },
  );
  expect(lent).toEqual({
    "/key": "KEY",
    "/dkim.pem": "# mail\n-----BEGIN PRIVATE KEY-----\n",
    "/cas": "ONE\nTWO",
  });
});
