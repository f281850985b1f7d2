import { expect, test } from "bun:test";
import { loadConfiguration } from "../../config/load.ts";
import { checkConfigured } from "./check_configured.ts";

const MASTER = "smtp inet n - n - - smtpd\n" +
  "submission inet n - n - - smtpd\n -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=TYPE -o smtpd_tls_security_level=encrypt\n";

async function found(type: string): Promise<readonly string[]> {
  const main =
    "compatibility_level = 3.6\nmyhostname = mail.example.com\nqueue_directory = /nowhere/queue\n" +
    "smtpd_sasl_path = private/auth\n";
  const texts = { main, master: MASTER.replace("TYPE", type), overrides: [] };
  const loaded = loadConfiguration({ directory: "/nowhere", texts });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return (await checkConfigured(loaded.configuration)).flatMap(({ findings }) =>
    findings.map(({ text }) => text)
  );
}

test("the table of users is looked for where logins go by it, and nowhere else", async () => {
  const missing = expect.stringContaining("sasl_users: texthash:/nowhere/users is unavailable");
  expect(await found("internal")).toContainEqual(missing);
  expect(await found("dovecot")).not.toContainEqual(missing);
});
