import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfiguration } from "../../config/load.ts";
import { printDiagnostic } from "../../config/syntax/diagnostic.ts";
import { fakeUsers, fakeWorld } from "../../../test/kit/memory/config_world.ts";
import { checkUsers } from "./check_users.ts";

let directory = "";
beforeAll(() => void (directory = mkdtempSync(join(tmpdir(), "mta-users-"))));
afterAll(() => rmSync(directory, { recursive: true }));

const ON = "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = internal\nsmtpd_relay_restrictions = reject\n";
const SCRAM =
  "{SCRAM-SHA-256}4096,jJpA564ocUP6zxTp3enChA==,ebVZvIHOpwjBaXUiVBmIxqKWIMwtuILYwfbDhkrE770=,pOsgQCubn7XVYcXibuzmXQjKz6uKlcV/idlyamCRhsU=";
const HASH = "{SHA256}R6msVkUsCGOc5ub6HL0jY/rN+WEdJuJls3oqJ5/mEnI=";

function found(users: string, main: string, mode = 0o640): string[] {
  writeFileSync(join(directory, "users"), users);
  chmodSync(join(directory, "users"), mode);
  const files = {
    [`${directory}/main.cf`]: `compatibility_level = 3.6\n${main}\n`,
    [`${directory}/master.cf`]: "smtp inet n - n - - smtpd\n",
  };
  const loaded = loadConfiguration({ directory, environment: {}, world: fakeWorld(files), users: fakeUsers });
  if (loaded.is === "bad") throw new Error(loaded.errors.map(printDiagnostic).join("\n"));
  const tables = { directory, parameter: () => undefined, warn: () => {}, clock: () => 0 };
  return checkUsers(loaded.configuration, tables).map(({ text }) => text.replaceAll(directory, "DIR"));
}

test("users whose password fits what is offered give no finding, nor does another back end", () => {
  expect(found(`ann ${SCRAM}\nbob ${HASH}\n`, ON)).toEqual([]);
  expect(found(`ann ${SCRAM}\n`, `${ON}sasl_mechanisms = PLAIN SCRAM-SHA-256`)).toEqual([]);
  expect(found("ann nonsense\n", "smtpd_sasl_auth_enable = yes\nsmtpd_relay_restrictions = reject\n"))
    .toEqual([]);
});

test("who cannot use a mechanism that is offered is named", () => {
  const rest = ', which their clients may take: "mta user passwd" stores what it needs';
  expect(found(`ann ${SCRAM}\nbob ${HASH}\n`, `${ON}sasl_mechanisms = PLAIN scram-sha-256`)).toEqual([
    `DIR/main.cf, line 5: sasl_mechanisms: bob cannot log in with SCRAM-SHA-256${rest}`,
  ]);
  const many = Array.from({ length: 6 }, (_, number) => `u${number} ${SCRAM}\n`).join("");
  expect(found(many, `${ON}sasl_mechanisms = CRAM-MD5`)).toEqual([
    `DIR/main.cf, line 5: sasl_mechanisms: u0, u1, u2, u3 and 2 more cannot log in with CRAM-MD5${rest}`,
  ]);
});

test("mechanisms that there are not, and tokens that nobody checks, are told", () => {
  expect(found("", `${ON}sasl_mechanisms = PLAIN DIGEST-MD5 XOAUTH2`)).toEqual([
    'DIR/main.cf, line 5: sasl_mechanisms: no mechanism "DIGEST-MD5": there are PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256, SCRAM-SHA-256-PLUS, OAUTHBEARER, XOAUTH2, EXTERNAL',
    "DIR/main.cf, line 5: sasl_mechanisms: XOAUTH2 is not offered without sasl_oauth_keys or sasl_oauth_introspection",
  ]);
});

test("an entry that is no password is told with its line and without what stands there", () => {
  expect(found(`ann ${SCRAM}\nbob SECRET\n`, ON)).toEqual([
    "DIR/users, line 2: sasl_users: bob cannot log in: a password needs a scheme in front of it: {PLAIN}, {SHA512-CRYPT}, $6$...",
  ]);
});

test("passwords that everybody may read are told, but not where nobody gets to the file", () => {
  expect(found(`ann ${SCRAM}\n`, ON, 0o644)).toEqual([]);
  chmodSync(directory, 0o755);
  expect(found(`ann ${SCRAM}\n`, ON, 0o644)).toEqual([
    "DIR/users: sasl_users: every user of this machine may read these passwords: chmod o-rwx DIR/users",
  ]);
});
