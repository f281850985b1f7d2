import { splitList } from "../../config/syntax/list.ts";
import { type Configuration, type Service, serviceKey } from "../../config/service.ts";
import { isThere, readTextIfThere } from "../../platform/file/small_files.ts";
import { readBackend, type WantedBackend } from "../../sasl/read_backend.ts";
import { badSecurityOptions } from "../../sasl/security_options.ts";
import { badSecurityOption } from "../../smtpd/create_auth_server.ts";
import type { Finding } from "./finding.ts";

type Found = Pick<Finding, "severity" | "consequence" | "closes">;

/** Services that are to let clients log in, and cannot, or only in the clear. Nobody is asked. */
export function checkLogins(configuration: Configuration): Finding[] {
  const { directory, services } = configuration;
  return services.flatMap((service) => {
    const found = service.program === "smtpd" ? problemOf(service) : clientProblemOf(service);
    if (found === undefined) return [];
    const [file, line, key] = [`${directory}/master.cf`, service.line, serviceKey(service)];
    const text = `${file}, line ${line}, service ${key}: ${found.consequence}`;
    return [{ ...found, text, file, line, service: key, feature: `logins: ${found.consequence}` }];
  });
}

/** A word that a client does not know could be one that forbids something: it logs in nowhere. */
function clientProblemOf({ program, settings, closed }: Service): Found | undefined {
  if ((program !== "smtp" && program !== "lmtp") || closed !== undefined) return undefined;
  if (!settings[`${program}_sasl_auth_enable`]) return undefined;
  const names = [
    `${program}_sasl_security_options`,
    `${program}_sasl_tls_security_options`,
    `${program}_sasl_tls_verified_security_options`,
  ] as const;
  const bad = names.map((name) => badSecurityOptions(name, settings[name])).find((each) =>
    each !== undefined
  );
  return bad === undefined
    ? undefined
    : { severity: "closed", consequence: `mail that needs a login waits: ${bad}` };
}

function problemOf(service: Service): Found | undefined {
  const { settings } = service;
  if (!settings.smtpd_sasl_auth_enable || service.closed !== undefined) return undefined;
  const wanted = readBackend(settings, readTextIfThere);
  const bad = wanted.is === "bad" ? wanted.why : badSecurityOption(settings);
  if (bad !== undefined) {
    return { severity: "closed", consequence: bad, closes: [serviceKey(service)] };
  }
  if (wanted.is === "none") return { severity: "closed", consequence: `AUTH is not offered: ${wanted.why}` };
  return isInTheClear(service) ? { severity: "weaker", consequence: IN_THE_CLEAR } : missingSocket(wanted);
}

/** A Dovecot may come later: until then nobody is served. */
function missingSocket(wanted: WantedBackend): Found | undefined {
  if (wanted.is !== "dovecot" || !("path" in wanted.to) || isThere(wanted.to.path)) return undefined;
  const { path } = wanted.to;
  const consequence =
    `smtpd_sasl_path: there is no socket ${path}: until Dovecot listens there, clients hear 421 ` +
    `(service auth { unix_listener ${path} { mode = 0660, user and group those of mail_owner } } in Dovecot's configuration)`;
  return { severity: "warning", consequence };
}

const IN_THE_CLEAR = "passwords may come in the clear, for anybody on the way to read: " +
  "smtpd_tls_auth_only = yes, or noplaintext in smtpd_sasl_security_options";

const LOOPBACK = /^(?:127\.|localhost:|\[?::1\]?:)/;

/** Whether clients from elsewhere may send a password before TLS. */
function isInTheClear({ name, settings }: Service): boolean {
  const options = splitList(settings.smtpd_sasl_security_options).map((word) => word.toLowerCase());
  const level = settings.smtpd_tls_security_level;
  const encrypted = settings.smtpd_tls_auth_only || settings.smtpd_tls_wrappermode ||
    (level === "" ? settings.smtpd_enforce_tls : level !== "none" && level !== "may");
  return !encrypted && !options.includes("noplaintext") && !LOOPBACK.test(name);
}
