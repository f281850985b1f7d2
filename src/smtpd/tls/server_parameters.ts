import type { ParameterName } from "../../config/parameters/settings_type.ts";
import { MATCH_PARAMETERS } from "../../rewrite/open_tables.ts";
import { SMTPD_CHAIN_PARAMETERS } from "../../tls/own/chain_parameters.ts";
import { CIPHER_PARAMETERS } from "../../tls/ciphers.ts";
import { GROUP_PARAMETERS } from "../../tls/groups.ts";
import { SESSION_TLS_PARAMETERS } from "./tls_settings.ts";

/** The parameters of the server's side of TLS. */
export const SERVER_TLS_PARAMETERS = [
  ...SESSION_TLS_PARAMETERS,
  ...SMTPD_CHAIN_PARAMETERS,
  ...CIPHER_PARAMETERS,
  ...GROUP_PARAMETERS,
  ...MATCH_PARAMETERS,
  "smtpd_tls_protocols",
  "smtpd_tls_mandatory_protocols",
  "smtpd_tls_ciphers",
  "smtpd_tls_mandatory_ciphers",
  "smtpd_tls_exclude_ciphers",
  "smtpd_tls_mandatory_exclude_ciphers",
  "smtpd_tls_eecdh_grade",
  "tls_preempt_cipherlist",
  "smtpd_tls_CAfile",
  "smtpd_tls_CApath",
  "tls_append_default_CA",
  "smtpd_tls_ccert_verifydepth",
  "smtpd_tls_fingerprint_digest",
  "tls_legacy_public_key_fingerprints",
  "smtpd_tls_loglevel",
  "smtpd_tls_loglevel_maps",
  "tls_server_sni_maps",
  "tls_trust_server_ccerts",
  "smtpd_tls_session_cache_timeout",
  "tls_session_ticket_cipher",
] as const satisfies readonly ParameterName[];
