import type { Diagnostic } from "../syntax/diagnostic.ts";
import { checkRelayGuard, checkRestrictionLists } from "./check_restrictions.ts";
import { checkGateway } from "./check_gateway.ts";
import { textOf } from "./check_main.ts";
import { checkValues } from "./check_values.ts";
import type { MasterCf } from "../syntax/master_cf.ts";
import type { Scope, Setting } from "../scope.ts";
import type { ScopedService } from "../services.ts";

/** Programs of master.cf(5), and whether an entry for them changes anything here. */
const PROGRAMS: ReadonlySet<string> = new Set([
  ...[
    "smtpd",
    "postscreen",
    "qmqpd",
    "smtp",
    "lmtp",
    "local",
    "virtual",
    "pipe",
    "error",
    "discard",
    "spawn",
  ],
  ...["pickup", "cleanup", "qmgr", "oqmgr", "nqmgr", "trivial-rewrite", "bounce", "verify", "flush", "showq"],
  ...["proxymap", "tlsmgr", "anvil", "scache", "postlogd", "dnsblog", "tlsproxy", "qmqp"],
]);

/** The `-o` settings of an entry, for the value check. */
function optionsOf({ entry, scope }: ScopedService): Setting[] {
  return entry.options.map(({ name }) => scope.setting(name)).filter((each) => each !== undefined);
}

function listensForMail({ service }: ScopedService): boolean {
  return service.program === "smtpd" && (service.type === "inet" || service.type === "pass");
}

function nameOf({ service }: ScopedService): string {
  return `${service.name}/${service.type}`;
}

function checkSasl(scope: Scope, prefix: "smtp" | "lmtp", service: string): Diagnostic[] {
  const enabled = textOf(scope, `${prefix}_sasl_auth_enable`)?.toLowerCase() === "yes";
  if (!enabled || textOf(scope, `${prefix}_sasl_password_maps`) !== "") return [];
  const text = `specify a password table via the \`${prefix}_sasl_password_maps' configuration parameter`;
  const expected = `${prefix}_sasl_password_maps = hash:/etc/postfix/sasl_passwd`;
  return [{ ...scope.complaint(`${prefix}_sasl_auth_enable`, "yes", text, expected), service }];
}

/** TLS is on and there is nothing to show: Postfix goes on without, and says so. */
function checkCertificate(scope: Scope, service: string): Diagnostic[] {
  const level = textOf(scope, "smtpd_tls_security_level") || "none";
  const wanted = level !== "none" || textOf(scope, "smtpd_tls_wrappermode")?.toLowerCase() === "yes";
  const files = [
    ...["smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtpd_tls_dcert_file"],
    "tls_server_sni_maps",
  ];
  if (!wanted || files.some((name) => (textOf(scope, name) || "none") !== "none")) return [];
  const text = "No server certs available. TLS won't be enabled";
  const problem = scope.complaint(
    "smtpd_tls_security_level",
    level,
    text,
    "smtpd_tls_chain_files = key.pem, cert.pem",
  );
  return [{ ...problem, level: "warning", service }];
}

function checkProgram(master: MasterCf, scoped: ScopedService): Diagnostic[] {
  const { service } = scoped;
  const place = { file: master.path, line: service.line, service: nameOf(scoped) };
  const found: Diagnostic[] = [];
  if (!PROGRAMS.has(service.program)) {
    const text = `${master.path}: line ${service.line}: unknown program: ${service.program}`;
    found.push({
      level: "fatal",
      text,
      ...place,
      expected: "a program of master(5), such as smtpd, smtp or pipe",
    });
  }
  if (service.program === "smtpd" && service.type !== "inet" && service.type !== "pass") return found;
  return found;
}

/** Checks of one service with its own settings. */
export function checkService(master: MasterCf, scoped: ScopedService, checkLists: boolean): Diagnostic[] {
  const { scope, service } = scoped;
  const name = nameOf(scoped);
  const found = [
    ...checkProgram(master, scoped),
    ...checkValues(scope, optionsOf(scoped), new Set([service.program])),
  ];
  if (listensForMail(scoped)) {
    found.push(...checkRelayGuard(scope, name), ...checkCertificate(scope, name));
    if (scoped.entry.options.some(({ name }) => name === "mynetworks")) found.push(...checkGateway(scope));
    if (checkLists) found.push(...checkRestrictionLists(scope));
  }
  if (service.program === "smtp" || service.program === "lmtp") {
    found.push(...checkSasl(scope, service.program, name));
  }
  return found;
}

/** `chroot` has no effect here; said once, not for each of twenty entries. */
export function checkChroot(master: MasterCf): Diagnostic[] {
  const wanting = master.entries.filter((entry) => entry.chroot === true);
  if (wanting.length === 0) return [];
  const names = wanting.slice(0, 3).map(({ name, type }) => `${name}/${type}`).join(", ");
  const more = wanting.length > 3 ? ` and ${wanting.length - 3} more` : "";
  const text = `${master.path}: chroot = y has no effect: there is no chroot (${names}${more})`;
  return [{ level: "warning", text, file: master.path, line: wanting[0]!.line }];
}
