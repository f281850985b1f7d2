import { expect, test } from "bun:test";
import { loadConfiguration } from "../../config/load.ts";
import { checkAcme } from "./check_acme.ts";

function findings(main: string): string[] {
  const texts = {
    main: `myhostname = mail.example.com\n${main}`,
    master: "smtp inet n - n - - smtpd\n",
    overrides: [],
  };
  const loaded = loadConfiguration({ directory: "/etc/x", texts });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return checkAcme(loaded.configuration).map(({ text }) => text);
}

const GOOD = "acme_domains = mail.example.com\nacme_agree_to_terms = yes\nsmtpd_tls_security_level = may\n";

test("ACME that is off, or as it should be, has no finding", () => {
  expect(findings("")).toEqual([]);
  expect(findings(GOOD)).toEqual([]);
});

test("what keeps it from being of use is told with its place", () => {
  expect(findings(`${GOOD}acme_agree_to_terms = no\n`)).toEqual([
    "/etc/x/main.cf, line 2: no certificate is ordered without an account, and none is opened before acme_agree_to_terms = yes says that the " +
    "terms of https://acme-v02.api.letsencrypt.org/directory are accepted",
  ]);
  expect(findings(`${GOOD}smtpd_tls_chain_files = /own.pem\n`)[0]).toContain(
    "no service shows the certificate",
  );
  expect(findings(`${GOOD}smtpd_tls_security_level = none\n`)[0]).toContain(
    "no service shows the certificate",
  );
  expect(findings(`${GOOD}acme_http_listen =\nhttp_listen =\n`)).toEqual([
    "/etc/x/main.cf, line 5: nobody answers the authority: acme_http_listen, acme_tls_listen and http_listen are empty",
  ]);
  expect(findings(`${GOOD}acme_domains = mx.example.com\n`)).toEqual([
    "/etc/x/main.cf, line 5: myhostname = mail.example.com is not among the names: clients that look at the name refuse the certificate",
  ]);
});

test("bad values of ACME's parameters are refused with what is right", () => {
  const bad = (main: string) => {
    const texts = { main: `myhostname = m.example.com\n${main}`, master: "", overrides: [] };
    const loaded = loadConfiguration({ directory: "/etc/x", texts });
    return loaded.is === "bad" ? loaded.errors.map(({ text, expected }) => `${text}: ${expected}`) : [];
  };
  expect(bad("acme_domains = *.example.com\n")[0]).toContain("without wildcards");
  expect(bad("acme_domains = localhost\n")[0]).toContain("bad acme_domains value");
  expect(bad("acme_directory = http://x/\n")[0]).toContain("https://");
  expect(bad("acme_http_listen = 80\n")[0]).toContain("address:port");
  expect(bad("acme_email = nobody\n")[0]).toContain("mail addresses");
  expect(
    bad(
      "acme_domains = a.example.com, b.example.com\nacme_email = a@example.com\nacme_http_listen = [::]:80\n",
    ),
  ).toEqual([]);
});
