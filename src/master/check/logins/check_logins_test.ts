import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfiguration } from "../../../config/load.ts";
import { printDiagnostic } from "../../../config/syntax/diagnostic.ts";
import { configurationOf } from "../../../../test/kit/memory/memory_smtpd.ts";
import { fakeUsers, fakeWorld } from "../../../../test/kit/memory/config_world.ts";
import { checkLogins } from "./check_logins.ts";
import { socketProblem } from "./login_sockets.ts";

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

test("what names a plug-in for the client's logins is told to have no effect, where the client logs in", () => {
  const on = "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:a:b\n";
  const types = "smtp_sasl_type = dovecot\nsmtp_sasl_path = relay\n";
  const service = "warning: /etc/mta/master.cf, line 1, service smtp/unix: ";
  expect(found(`${on}${types}`)).toEqual([
    `${service}smtp_sasl_type = dovecot: there is no such client (Postfix: "unsupported SASL client implementation"); ` +
    "the client's logins are built in, and are used: remove it",
    `${service}smtp_sasl_path = relay has no effect: no library is loaded that could read a file of that name; ` +
    "what its mech_list allows, smtp_sasl_mechanism_filter says",
  ]);
  expect(found(types)).toEqual([]);
  expect(found(`${on}smtp_sasl_type = cyrus\n`)).toEqual([]);
});

const DOVECOT = {
  smtpd_sasl_auth_enable: "yes",
  smtpd_sasl_type: "dovecot",
  smtpd_sasl_path: "inet:127.0.0.1:1",
};

const rows: readonly (readonly [title: string, main: Record<string, string>, found: string | undefined])[] = [
  ["no logins", {}, undefined],
  ["logins over TLS alone", { ...DOVECOT, smtpd_tls_auth_only: "yes" }, undefined],
  ["logins where TLS is demanded", { ...DOVECOT, smtpd_tls_security_level: "encrypt" }, undefined],
  ["logins in the clear", DOVECOT, "weaker: passwords may come in the clear"],
  [
    "a Dovecot that is not there yet",
    {
      ...DOVECOT,
      smtpd_tls_auth_only: "yes",
      smtpd_sasl_path: "private/auth",
      queue_directory: "/nonexistent",
    },
    "warning: there is no socket /nonexistent/private/auth: until Dovecot listens there, clients hear 421",
  ],
  ["without the password in them", { ...DOVECOT, smtpd_sasl_security_options: "NoPlaintext" }, undefined],
  [
    "an unknown option",
    { ...DOVECOT, smtpd_sasl_tls_security_options: "noplaintex" },
    'closed: smtpd_sasl_tls_security_options: unknown value "noplaintex" in "noplaintex" (noplaintext, ',
  ],
  [
    "an unknown type",
    { ...DOVECOT, smtpd_sasl_type: "courier" },
    "closed: unsupported SASL server implementation: courier (smtpd_sasl_type: cyrus, dovecot, internal)",
  ],
  [
    "a port that is none",
    { ...DOVECOT, smtpd_sasl_path: "inet:127.0.0.1:99999" },
    "closed: smtpd_sasl_path: 127.0.0.1:99999: bad port 99999",
  ],
  [
    "Cyrus without its file",
    { smtpd_sasl_auth_enable: "yes", smtpd_sasl_path: "nobody-has-this" },
    "closed: AUTH is not offered: smtpd_sasl_type = cyrus: there is no ",
  ],
];

test.each(rows)("%s", (_title, main, wanted) => {
  const [first] = checkLogins(configurationOf(main));
  if (wanted === undefined) expect(first).toBeUndefined();
  else expect(`${first?.severity}: ${first?.consequence}`).toStartWith(wanted);
});

test("a socket that the workers may not open is named, with what bars the way", () => {
  const folder = mkdtempSync(join(tmpdir(), "login-sockets-"));
  chmodSync(folder, 0o755);
  try {
    const [inner, path] = [join(folder, "run"), join(folder, "run/mux")];
    mkdirSync(inner);
    writeFileSync(path, "");
    const wants = { is: "saslauthd", paths: ["/nonexistent/mux", path], mechanisms: [] } as const;
    const problem = () => socketProblem({ is: "cyrus", wants }, { uid: 4711, gid: 4712 });
    chmodSync(path, 0o777);
    expect(problem()).toBeUndefined();
    chmodSync(inner, 0o710);
    expect(problem()).toStartWith(
      `mail_owner (4711:4712) cannot open the socket ${path}: ${inner} has mode 0710 and belongs to `,
    );
    expect(problem()).toEndWith(`--add root '#4712' 0710 ${inner}`);
    chmodSync(inner, 0o711);
    expect(problem()).toBeUndefined();
    chmodSync(path, 0o660);
    expect(problem()).toContain(`${path} has mode 0660`);
    expect(socketProblem({ is: "cyrus", wants }, undefined)).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
