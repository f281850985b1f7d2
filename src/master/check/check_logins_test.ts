import { expect, test } from "bun:test";
import { loadConfiguration } from "../../config/load.ts";
import { printDiagnostic } from "../../config/syntax/diagnostic.ts";
import { fakeUsers, fakeWorld } from "../../../test/kit/memory/config_world.ts";
import { checkLogins } from "./check_logins.ts";

const MASTER = "smtp unix - - n - - smtp\nlmtp unix - - n - - lmtp\n";

function found(main: string) {
  const files = { "/etc/mta/main.cf": `compatibility_level = 3.6\n${main}\n`, "/etc/mta/master.cf": MASTER };
  const world = fakeWorld(files);
  const loaded = loadConfiguration({ directory: "/etc/mta", environment: {}, world, users: fakeUsers });
  if (loaded.is === "bad") throw new Error(loaded.errors.map(printDiagnostic).join("\n"));
  return checkLogins(loaded.configuration).map(({ severity, text }) => `${severity}: ${text}`);
}

test("a client's security option that nobody knows is told, where the client logs in", () => {
  const options = "smtp_sasl_tls_security_options = noanonymous, noplaintxt\n";
  expect(found(`smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:a:b\n${options}`)).toEqual([
    "closed: /etc/mta/master.cf, line 1, service smtp/unix: mail that needs a login waits: smtp_sasl_tls_security_options: " +
    'unknown value "noplaintxt" in "noanonymous, noplaintxt" (noplaintext, noactive, nodictionary, noanonymous, forward_secrecy, mutual_auth)',
  ]);
  expect(found(options)).toEqual([]);
  expect(found("smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:a:b\n")).toEqual([]);
});
