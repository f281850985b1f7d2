import { expect, test } from "bun:test";
import { loadConfiguration } from "../../config/load.ts";
import type { Configuration } from "../../config/service.ts";
import { lentFiles } from "./lent_files.ts";

function configured(main: string, master = ""): Configuration {
  const loaded = loadConfiguration({
    directory: "/etc/x",
    texts: {
      main:
        `myhostname = mail.example.com\nmydestination =\nalias_maps =\ncompatibility_level = 3.6\n${main}`,
      master,
      overrides: [],
    },
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return loaded.configuration;
}

/** Files that only root may read, and what is in them. */
function lent(configuration: Configuration, secret: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const files = lentFiles(configuration, (path) => (asked.push(path), secret[path]));
  return { files, asked };
}

test("tables that main.cf and master.cf name are lent, wherever they stand and however they are written", () => {
  const configuration = configured(
    "sql = /etc/x/sql\nvirtual_alias_maps = proxy:mysql:$sql/alias.cf, unionmap:{pgsql:${sql}/a.cf,hash:/etc/x/h}\n" +
      "relay_domains = !pgsql:/etc/x/domains.cf ldap:./people.cf\n" +
      "smtpd_client_restrictions = check_client_access { cidr:/etc/x/nets, search_order = cidr }\n" +
      "mine = memcache:/etc/x/cache.cf\n",
    "smtp inet n - n - - smtpd\n -o smtpd_sender_restrictions=check_sender_access,mysql:$sql/senders.cf\n" +
      " -o { local_recipient_maps = mysql:$sql/local.cf }\n",
  );
  const { asked } = lent(configuration, {});
  expect(asked.sort()).toEqual([
    "/etc/x/./people.cf",
    "/etc/x/cache.cf",
    "/etc/x/domains.cf",
    "/etc/x/h",
    "/etc/x/nets",
    "/etc/x/sql/a.cf",
    "/etc/x/sql/alias.cf",
    "/etc/x/sql/local.cf",
    "/etc/x/sql/senders.cf",
  ]);
});

test("what a query file needs is lent with it", () => {
  const { files } = lent(configured("relay_domains = memcache:/m.cf\n"), {
    "/m.cf": "backup = mysql:/b.cf\n",
    "/b.cf": "tls_key_file = /key\noption_file = /my.cnf\npassword = /not/a/file\ndomain = hash:/domains\n",
    "/key": "KEY",
    "/my.cnf": "[client]",
    "/domains": "a b",
    "/not/a/file": "never",
  });
  expect(Object.keys(files).sort()).toEqual(["/b.cf", "/domains", "/key", "/m.cf", "/my.cnf"]);
});

test("nothing else is lent, and a file that names itself is lent once", () => {
  const configuration = configured(
    "relay_domains = pgsql:/loop.cf\nsmtpd_tls_key_file = /key\nsmtpd_banner = static:/x see http:///y\n" +
      "smtpd_client_restrictions = check_policy_service unix:/policy\n",
  );
  const { files, asked } = lent(configuration, { "/loop.cf": "domain = pgsql:/loop.cf\n", "/key": "KEY" });
  expect(files).toEqual({ "/loop.cf": "domain = pgsql:/loop.cf\n" });
  expect(asked).not.toContain("/key");
});

test("smtpd.conf of Cyrus is lent to services that log in by it", () => {
  const services =
    "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n -o smtpd_sasl_auth_enable=yes\n" +
    " -o smtpd_sasl_path=users\n";
  expect(lent(configured("", services), {}).asked).toEqual([
    "/etc/x/sasl/users.conf",
    "/etc/sasl2/users.conf",
    "/usr/lib/sasl2/users.conf",
  ]);
  const elsewhere = configured("cyrus_sasl_config_path = /a:/b\nsmtpd_sasl_auth_enable = yes\n", services);
  expect(lent(elsewhere, { "/a/smtpd.conf": "x" }).files).toEqual({ "/a/smtpd.conf": "x" });
  expect(lent(configured("smtpd_sasl_type = dovecot\n", services), {}).asked).toEqual([]);
});

test("secrets that tables of passwords and main.cf name for logins are lent, and those that they name in turn", () => {
  const main =
    "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:/etc/x/passwords, inline:{ [b.example]=u:file:/etc/x/b }\n" +
    "sasl_oauth_introspection_login = file:/etc/x/issuer\nvirtual_alias_maps = texthash:/etc/x/aliases\n";
  const master = "smtp unix - - n - - smtp\nsmtp inet n - n - - smtpd\n";
  const secret = {
    "/etc/x/passwords": "[a.example]:587 ann:file:/etc/x/a\n[g.example]:587 ann:oauth:/etc/x/g.json\n",
    "/etc/x/a": "password",
    "/etc/x/b": "password",
    "/etc/x/issuer": "client:secret",
    "/etc/x/g.json": '{"client_secret": "file:/etc/x/g.secret"}',
    "/etc/x/g.secret": "sesame",
    "/etc/x/aliases": "x file:/etc/shadow",
    "/etc/shadow": "never",
  };
  const { files } = lent(configured(main, master), secret);
  expect(Object.keys(files).sort()).toEqual(
    Object.keys(secret).filter((path) => path !== "/etc/shadow").sort(),
  );
  const off = lent(configured(main.replace("yes", "no"), master), secret);
  expect(Object.keys(off.files)).not.toContain("/etc/x/a");
});
