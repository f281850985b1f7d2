import { expect, test } from "bun:test";
import { fakeUsers, fakeWorld } from "../../../test/kit/memory/config_world.ts";
import { loadConfiguration } from "../load.ts";
import { printDiagnostic } from "../syntax/diagnostic.ts";

function told(master: string): string[] {
  const world = fakeWorld({
    "/etc/mta/main.cf": "compatibility_level = 3.6\nmyhostname = mx.example.com\n",
    "/etc/mta/master.cf": master,
  });
  const loaded = loadConfiguration({ directory: "/etc/mta", world, users: fakeUsers });
  const found = loaded.is === "bad" ? loaded.errors : loaded.warnings;
  return found.map(printDiagnostic).filter((text) => text.includes("-o "));
}

const SMTPD = "smtp inet n - n - - smtpd\n";
const CLIENT = "smtp unix - - n - - smtp\n";
const CLEANUP = "cleanup unix n - n - 0 cleanup\n";

test("a parameter of ours with -o where nobody reads it is told of, and where it belongs", () => {
  expect(told(`${SMTPD}  -o srs_domain=srs.example.com\n`)).toEqual([
    "-o srs_domain has no effect at an entry of smtpd (/etc/mta/master.cf, line 1, service smtp/inet; specify it in main.cf)",
  ]);
  expect(told(`${CLIENT}  -o srs_hash_length=8 -o mail_authentication=yes\n`)).toEqual([
    expect.stringContaining("-o srs_hash_length has no effect at an entry of smtp ("),
    expect.stringContaining("specify it in main.cf, or at an entry of smtpd"),
  ]);
  for (const each of ["dmarc_reports=yes", "worker_processes=3", "acme_email=a@example.com"]) {
    expect(told(`${SMTPD}  -o ${each}\n`)).toEqual([expect.stringContaining("specify it in main.cf)")]);
  }
  expect(told(`${SMTPD}  -o dkim_signing_keys=inline:{{example.com=s:/k.pem}}\n`)[0]).toContain(
    "specify it in main.cf, or at an entry of cleanup",
  );
});

test("where it is read, or Postfix's, nothing is said", () => {
  expect(told(`${SMTPD}  -o mail_authentication=yes -o dkim_signing_clients= -o dkim_signing_keys=\n`))
    .toEqual([]);
  expect(told(`${SMTPD}  -o header_checks=regexp:/x -o smtp_helo_name=x -o log_format=json\n`)).toEqual([]);
  expect(told(`${CLEANUP}  -o dkim_signed_headers=from -o fold_long_headers=no\n`)).toEqual([]);
  expect(told(`${CLIENT}  -o smtp_mta_sts_enable=yes\n`)).toEqual([]);
});
