import { expect, test } from "bun:test";
import { fakeUsers } from "../../../test/kit/memory/config_world.ts";
import { loadConfiguration } from "../../config/load.ts";
import { ownTlsFiles } from "../../tls/tls_files.ts";
import { checkServerTls } from "./check_server_tls.ts";

const MASTER = `smtp inet n - n - - smtpd
submission inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
`;

function findings(...lines: readonly string[]): readonly string[] {
  const main = lines.map((line) => `${line}\n`).join("");
  const loaded = loadConfiguration({
    directory: "/nonexistent",
    texts: { main, master: MASTER, overrides: [] },
    users: fakeUsers,
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return checkServerTls(loaded.configuration, ownTlsFiles).map(({ severity, text }) =>
    `${severity}: ${text}`
  );
}

const MAY = "smtpd_tls_security_level = may";

test("a server's TLS that works is not spoken of, nor one that is off", () => {
  expect(findings(MAY, "smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1")).toEqual([]);
  expect(findings("smtpd_tls_protocols = TLSv9", "smtpd_tls_ask_ccert = no")).toEqual([]);
});

test("what keeps clients from TLS is found with its line and what follows, for the services that it counts for", () => {
  expect(findings(MAY, "smtpd_tls_protocols = TLSv9")).toEqual([
    'weaker: /nonexistent/main.cf, line 2: Invalid TLS protocol list "TLSv9": disabling TLS support; ' +
    "clients hear 454 at STARTTLS: mail comes in in the clear",
  ]);
  expect(findings(MAY, "smtpd_tls_mandatory_exclude_ciphers = !MD5")).toEqual([
    expect.stringMatching(
      /^closed: .*invalid unary '!\+-@' in cipher exclusion: !MD5; .*: the service takes no mail$/,
    ),
  ]);
  expect(findings(MAY, "smtpd_tls_fingerprint_digest = sha9")).toEqual([
    'weaker: /nonexistent/main.cf, line 2: Digest algorithm "sha9" not found; ' +
    "clients hear 454 at STARTTLS: mail comes in in the clear",
    'closed: /nonexistent/main.cf, line 2: Digest algorithm "sha9" not found; ' +
    "clients hear 454 at STARTTLS: the service takes no mail",
  ]);
  expect(findings(MAY, "smtpd_tls_eecdh_grade = best")).toEqual([
    'warning: /nonexistent/main.cf, line 2: Invalid TLS eecdh grade "best": EECDH disabled; the library\'s own groups are used',
  ]);
  expect(findings(MAY, "smtpd_tls_ask_ccert = yes", "smtpd_tls_CAfile = /nonexistent/ca.pem")[0]).toBe(
    'weaker: /nonexistent/main.cf, line 3: cannot load Certification Authority data, CAfile="/nonexistent/ca.pem": ' +
      "No such file or directory: disabling TLS support; clients hear 454 at STARTTLS: mail comes in in the clear",
  );
});
