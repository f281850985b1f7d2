import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";

/** The parameters that say which groups keys are agreed on in. */
export const GROUP_PARAMETERS = [
  "tls_eecdh_auto_curves",
  "tls_eecdh_strong_curve",
  "tls_eecdh_ultra_curve",
] as const satisfies readonly ParameterName[];

/** The library's groups, by the names that OpenSSL and NIST have for them, in lower case. */
const GROUPS: Readonly<Record<string, string>> = {
  "x25519": "X25519",
  "prime256v1": "P-256",
  "secp256r1": "P-256",
  "p-256": "P-256",
  "secp384r1": "P-384",
  "p-384": "P-384",
  "secp521r1": "P-521",
  "p-521": "P-521",
  "x25519mlkem768": "X25519MLKEM768",
};

/** Groups to agree on keys in, best first; undefined leaves the library's own. */
export interface KeyExchangeGroups {
  readonly groups: readonly string[] | undefined;
  /** What was wrong with what is configured: the library's own are used then. */
  readonly warning?: string;
}

function known(list: string): readonly string[] {
  const found = list.split(/[, \t\r\n:]+/).map((name) => GROUPS[name.toLowerCase()]);
  return [...new Set(found.filter((name) => name !== undefined))];
}

/** The groups of an EECDH grade (postconf(5), smtpd_tls_eecdh_grade); names that the library does not know are passed over. */
export function keyExchangeGroups(
  settings: SettingsOf<typeof GROUP_PARAMETERS>,
  grade: string,
): KeyExchangeGroups {
  switch (grade.toLowerCase()) {
    case "none":
      return { groups: undefined };
    case "auto":
      return named("tls_eecdh_auto_curves", settings.tls_eecdh_auto_curves);
    case "strong":
      return named("tls_eecdh_strong_curve", settings.tls_eecdh_strong_curve);
    case "ultra":
      return named("tls_eecdh_ultra_curve", settings.tls_eecdh_ultra_curve);
    default:
      return { groups: undefined, warning: `Invalid TLS eecdh grade "${grade}": EECDH disabled` };
  }
}

function named(parameter: string, list: string): KeyExchangeGroups {
  const groups = known(list);
  if (groups.length > 0) return { groups };
  return { groups: undefined, warning: `${parameter}: none of the groups in "${list}" are supported` };
}
