import type { Scope } from "../scope.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { textOf } from "./check_main.ts";

const isYes = (scope: Scope, name: string) => textOf(scope, name)?.toLowerCase() === "yes";

/** Whether TLS is on, by the level, else by the older switches. */
function wantsTls(scope: Scope): boolean {
  const level = textOf(scope, "smtpd_tls_security_level") ?? "";
  if (isYes(scope, "smtpd_tls_wrappermode")) return true;
  if (level !== "") return level.toLowerCase() !== "none";
  return isYes(scope, "smtpd_use_tls") || isYes(scope, "smtpd_enforce_tls");
}

const CERTIFICATES = [
  "smtpd_tls_chain_files",
  "smtpd_tls_cert_file",
  "smtpd_tls_eccert_file",
  "smtpd_tls_dcert_file",
  "acme_domains",
];

/** The level that is set, or the older switch that stands for one. */
function switchOf(scope: Scope): string {
  if (textOf(scope, "smtpd_tls_security_level") !== "") return "smtpd_tls_security_level";
  const others = ["smtpd_tls_wrappermode", "smtpd_enforce_tls"].filter((name) => isYes(scope, name));
  return others[0] ?? "smtpd_use_tls";
}

function warning(scope: Scope, service: string, name: string, text: string, expected: string, why: string) {
  const problem = scope.complaint(name, textOf(scope, name) ?? "", text, expected);
  return [{ ...problem, level: "warning" as const, service, loss: { means: "weaker" as const, why } }];
}

/** TLS is on and there is nothing to show: Postfix goes on without, and says so. */
function checkCertificate(scope: Scope, service: string): Diagnostic[] {
  if (!wantsTls(scope) || CERTIFICATES.some((name) => (textOf(scope, name) || "none") !== "none")) return [];
  const text = "No server certs available. TLS won't be enabled";
  const expected = "smtpd_tls_chain_files = key.pem, cert.pem, or acme_domains";
  const why = `${text}: clients hear 454 at STARTTLS; specify ${expected}`;
  return warning(scope, service, switchOf(scope), text, expected, why)
    .map((problem) => ({ ...problem, feature: "certificates of servers" }));
}

/** A server has only three levels. */
function checkLevel(scope: Scope, service: string): Diagnostic[] {
  const [name, level] = ["smtpd_tls_security_level", textOf(scope, "smtpd_tls_security_level") ?? ""];
  if (!["fingerprint", "verify", "secure"].includes(level.toLowerCase())) return [];
  const text = `${name}: unsupported TLS level "${level}", using "encrypt"`;
  const why = "clients are not asked for certificates by a level: see smtpd_tls_req_ccert";
  return warning(scope, service, name, text, "none, may or encrypt", why);
}

/** Certificates of clients are only of use where TLS is. */
function checkClientCertificates(scope: Scope, service: string): Diagnostic[] {
  const name = "smtpd_tls_req_ccert";
  if (!wantsTls(scope) || !isYes(scope, name)) return [];
  const level = (textOf(scope, "smtpd_tls_security_level") || "may").toLowerCase();
  const demanded = isYes(scope, "smtpd_tls_wrappermode") || isYes(scope, "smtpd_enforce_tls");
  if (demanded || level !== "may") return [];
  const text = "Can't require client certs unless TLS is required";
  return warning(scope, service, name, text, "smtpd_tls_security_level = encrypt", text);
}

/** Checks of what a server makes of TLS. */
export function checkServerTls(scope: Scope, service: string): Diagnostic[] {
  return [
    ...checkLevel(scope, service),
    ...checkCertificate(scope, service),
    ...checkClientCertificates(scope, service),
  ];
}
