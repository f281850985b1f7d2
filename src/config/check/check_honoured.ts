import type { Diagnostic } from "../syntax/diagnostic.ts";
import { HONOURED } from "../parameters/honoured.ts";
import { rowOf, ROWS, type Setting, TRANSPORT_SUFFIXES } from "../scope.ts";

const CLIENT_LEVEL =
  "this client has no TLS yet: where TLS is mandatory, mail waits instead of going out in the clear";
const CLIENT_LOGIN = "this client cannot log in yet: mail for destinations with a password waits";
const NO_AUTH = "clients cannot log in yet: AUTH is not offered";
const NO_POSTSCREEN = "postscreen's own tests are not there yet";
const NO_STARTTLS = "STARTTLS is not offered yet: where TLS is mandatory, the service takes no mail";

/** Settings that cannot be honoured and that the code fails safe on: what comes of them instead. */
export const CONSEQUENCES: Readonly<Record<string, string>> = {
  smtpd_tls_security_level: NO_STARTTLS,
  smtpd_enforce_tls: NO_STARTTLS,
  smtpd_tls_wrappermode: "wrapper mode is not served yet: the service takes no mail",
  smtp_tls_security_level: CLIENT_LEVEL,
  smtp_enforce_tls: CLIENT_LEVEL,
  smtp_tls_policy_maps: CLIENT_LEVEL,
  smtp_tls_per_site: CLIENT_LEVEL,
  smtp_sasl_auth_enable: CLIENT_LOGIN,
  smtp_sasl_password_maps: CLIENT_LOGIN,
  smtp_sender_dependent_authentication: CLIENT_LOGIN,
  lmtp_tls_security_level: CLIENT_LEVEL,
  lmtp_enforce_tls: CLIENT_LEVEL,
  lmtp_tls_policy_maps: CLIENT_LEVEL,
  lmtp_tls_per_site: CLIENT_LEVEL,
  lmtp_sasl_auth_enable: CLIENT_LOGIN,
  lmtp_sasl_password_maps: CLIENT_LOGIN,
  lmtp_sender_dependent_authentication: CLIENT_LOGIN,
  smtpd_sasl_auth_enable: NO_AUTH,
  smtpd_sasl_authenticated_header: NO_AUTH,
  smtpd_sender_login_maps: NO_AUTH,
  smtpd_tls_ask_ccert: "clients are not asked for certificates yet",
  relay_clientcerts: "clients are not asked for certificates yet",
  smtpd_client_new_tls_session_rate_limit: "STARTTLS is not offered yet: there are no TLS sessions to count",
  smtpd_proxy_filter:
    "before-queue filters are not asked yet: the service answers the first good recipient with 451",
  postscreen_reject_footer: NO_POSTSCREEN,
  postscreen_expansion_filter: NO_POSTSCREEN,
};

/** Words of a setting that ask for what is not there yet, though the code acts on others. */
const UNMET_WORDS: Readonly<Record<string, { readonly words: RegExp; readonly why: string }>> = {
  notify_classes: {
    words: /\b(?:data|policy|protocol)\b/i,
    why: "transcripts of SMTP sessions are not sent to the postmaster yet",
  },
};

/** Values that ask for nothing. */
const NOTHING = new Set(["", "no", "none", "0"]);

/** Whether the code acts on a parameter. */
export function isHonoured(name: string): boolean {
  if (HONOURED.has(name)) return true;
  return TRANSPORT_SUFFIXES.some((suffix) => name.endsWith(suffix) && HONOURED.has(`<transport>${suffix}`));
}

/** What a setting asks for in vain, in the words of the warning. */
function unmetBy({ name, value }: Setting): string | undefined {
  const row = rowOf(name);
  if (row === undefined) return undefined;
  if (isHonoured(name)) {
    const word = UNMET_WORDS[name]?.words.exec(value)?.[0];
    return word === undefined ? undefined : `is not honoured for "${word}": ${UNMET_WORDS[name]!.why}`;
  }
  const consequence = CONSEQUENCES[name];
  if (consequence !== undefined) return NOTHING.has(value) ? undefined : `is not honoured: ${consequence}`;
  return `has no effect: ${row.fit === "moot" && row.note !== undefined ? row.note : "not supported yet"}`;
}

/** Settings that have no effect here, each by name and with the reason (no setting is silently ignored). */
export function checkHonoured(settings: readonly Setting[]): Diagnostic[] {
  return settings.flatMap((setting) => {
    const unmet = unmetBy(setting);
    return unmet === undefined ? [] : [{
      level: "warning" as const,
      text: `${setting.file}: parameter ${setting.name} ${unmet}`,
      file: setting.file,
      ...(setting.line !== undefined && { line: setting.line }),
      ...(setting.service !== undefined && { service: setting.service }),
      parameter: setting.name,
    }];
  });
}

/** Older names that still work, and what to write instead (Postfix 3.9 and later warn of them). */
export function checkDeprecated(settings: readonly Setting[]): Diagnostic[] {
  return settings.flatMap((setting) => {
    const instead = ROWS.get(setting.name)?.instead;
    if (instead === undefined) return [];
    const advice = /^[a-z0-9_]+$/i.test(instead) ? `specify "${instead}"` : instead;
    return [{
      level: "warning" as const,
      text: `${setting.file}: support for parameter "${setting.name}" will be removed; instead, ${advice}`,
      file: setting.file,
      ...(setting.line !== undefined && { line: setting.line }),
      ...(setting.service !== undefined && { service: setting.service }),
      parameter: setting.name,
    }];
  });
}
