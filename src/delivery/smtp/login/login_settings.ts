import type { ParameterName, SettingsOf } from "../../../config/parameters/settings_type.ts";

const NAMES = [
  "sasl_auth_cache_name",
  "sasl_auth_cache_time",
  "sasl_auth_enable",
  "sasl_auth_soft_bounce",
  "sasl_mechanism_filter",
  "sasl_password_maps",
  "sasl_password_result_delimiter",
  "sasl_security_options",
  "sasl_tls_security_options",
  "sasl_tls_verified_security_options",
  "send_dummy_mail_auth",
  "sender_dependent_authentication",
] as const;

type Named = `${"smtp" | "lmtp"}_${(typeof NAMES)[number]}`;

/** The parameters of logins at other servers. */
export const CLIENT_LOGIN_PARAMETERS: readonly (Named | "data_directory" | "send_cyrus_sasl_authzid")[] = [
  "data_directory",
  "send_cyrus_sasl_authzid",
  ...NAMES.flatMap((name): Named[] => [`smtp_${name}`, `lmtp_${name}`]),
] satisfies readonly ParameterName[];

/** Their values. */
export type ClientLoginParameters = SettingsOf<readonly (typeof CLIENT_LOGIN_PARAMETERS)[number][]>;

/** The same under one name for both protocols. */
export interface LoginSettings {
  readonly program: "smtp" | "lmtp";
  /** Where tokens are kept. */
  readonly dataDirectory: string;
  readonly passwordMaps: string;
  /** Between user and password. */
  readonly delimiter: string;
  readonly bySender: boolean;
  readonly mechanismFilter: string;
  /** Security options in the clear, under TLS, and where the server's certificate is what was asked for. */
  readonly options: { readonly clear: string; readonly encrypted: string; readonly verified: string };
  /** A login that is refused for good may be a mistake of ours: the mail waits. */
  readonly softBounce: boolean;
  /** How long a refused password is not tried again, in milliseconds; 0 = it is. */
  readonly refusedFor: number;
  readonly dummyMailAuth: boolean;
  /** Say who to act for, though it is the user himself (send_cyrus_sasl_authzid). */
  readonly sendAuthorizationId: boolean;
}

/** Reads the parameters of one service; undefined where nobody logs in. */
export function loginSettings(
  program: "smtp" | "lmtp",
  settings: ClientLoginParameters,
): LoginSettings | undefined {
  const of = <Name extends (typeof NAMES)[number]>(name: Name) => settings[`${program}_${name}`];
  if (!of("sasl_auth_enable")) return undefined;
  return {
    program,
    dataDirectory: settings.data_directory,
    passwordMaps: of("sasl_password_maps"),
    delimiter: of("sasl_password_result_delimiter"),
    bySender: of("sender_dependent_authentication"),
    mechanismFilter: of("sasl_mechanism_filter"),
    options: {
      clear: of("sasl_security_options"),
      encrypted: of("sasl_tls_security_options"),
      verified: of("sasl_tls_verified_security_options"),
    },
    softBounce: of("sasl_auth_soft_bounce"),
    refusedFor: of("sasl_auth_cache_name") === "" ? 0 : 1000 * of("sasl_auth_cache_time"),
    dummyMailAuth: of("send_dummy_mail_auth"),
    sendAuthorizationId: settings.send_cyrus_sasl_authzid,
  };
}
