// The table of parameters that are not honoured: one row each. Data, not code.
import type { parameters, patterns } from "./parameters.ts";
import type { HONOURED } from "./honoured.ts";

/** What the service does instead of acting on a setting whose absence would open it: refuse mail, or let it wait in the queue. */
export type Closed = "refuse" | "defer" | "hold";

/** What it means that a parameter has no effect, when it is set to other than its default. The sentence is for the operator. */
export type Absence =
  & {
    readonly why: string;
    /** What the parameter is a setting of: all settings of one feature are one finding. */
    readonly feature?: Feature;
  }
  & (
    /** Nothing is less protected, and no mail goes another way than meant. */
    | { readonly means: "harmless" }
    /** Something is less protected than it could be, but nothing is let through that the operator has shut. */
    | { readonly means: "weaker" }
    /** Something that the operator has shut would stand open: the service fails closed. */
    | { readonly means: "open"; readonly then: Closed }
  );

/** What is lost as one where it is not there. */
export type Feature =
  | "settings of OpenSSL"
  | "postscreen's tests"
  | "SRV records";

type Row = keyof typeof parameters | keyof typeof patterns;
type Honoured = (typeof HONOURED)[number];
/** What follows a transport's name in parameters that count for every transport. */
type TransportSuffix = Honoured extends infer Name ? Name extends `<transport>${infer Rest}` ? Rest : never
  : never;

/** The parameters that are not honoured. */
export type Absent = Exclude<Row, Honoured | `${string}${TransportSuffix}`>;

const of = (feature: Feature | undefined) => feature === undefined ? {} : { feature };
const harmless = (why: string, feature?: Feature): Absence => ({ means: "harmless", why, ...of(feature) });
const weaker = (why: string, feature?: Feature): Absence => ({ means: "weaker", why, ...of(feature) });
const POSTSCREEN_TEST = weaker(
  "postscreen's own tests are not there yet: its clients meet only its access list, its blocklists and the smtpd behind it",
  "postscreen's tests",
);
const NO_SRV = weaker(
  "SRV records are not looked up yet: mail goes to the hosts that MX and address records name",
  "SRV records",
);
const NO_REPLY_FILTER = weaker("our own refusals are not changed by tables yet: they leave as they are");
const MIME_AS_IT_COMES = weaker("MIME structure is not judged by this yet: the default holds");
const TABLE_LIMIT = weaker("the default holds");
const MOOT = harmless("nothing here needs it");
const NO_TLSPROXY = harmless("there is no tlsproxy(8): its callers' own settings count");
const POSTSCREEN_TESTS_ONLY = harmless(
  "it tunes postscreen's own tests, which are not there yet",
  "postscreen's tests",
);
const NO_FINITE_FIELDS = harmless(
  "keys are agreed on with elliptic curves alone (ECDHE), which every client with TLS 1.2 has",
  "settings of OpenSSL",
);
const NO_RAW_KEYS = harmless(
  "raw public keys are not spoken: clients and servers show certificates",
  "settings of OpenSSL",
);
const NO_OPENSSL = harmless(
  "the TLS library is BoringSSL: it reads no configuration of its own, never renegotiates or compresses, and works around no old faults",
  "settings of OpenSSL",
);
const NO_TRACE = harmless("TLS messages are not dumped: the library does not tell them");
const OWN_SESSIONS = harmless(
  "sessions are resumed by tickets that the client keeps: there is no cache to fill",
);
const POSTSCREEN_HANDS_OVER = harmless(
  "postscreen hands its clients to smtpd at once: smtpd_tls_ settings are those that count",
  "postscreen's tests",
);
const SMTP_REPORTS_ALONE = harmless("reports about TLS are about SMTP, as in Postfix");
const OWN_TLS_REPORTS = harmless(
  "reports about TLS are counted, made and sent by the service itself: no other program is told",
);
const OWN_MECHANISMS = harmless("the client's mechanisms are built in: no library is loaded");
const NO_QMQP = harmless("QMQP is not served");
const NO_FLUSH_LOGS = harmless(
  "which mail waits for a site is known from the queue itself: there are no logs that grow old",
);
const OWN_SCHEDULING = harmless("the queue manager schedules without it");
const OWN_RESOLVER = harmless("names are resolved by our own resolver, without this");
const NO_CNAME = harmless("a server keeps the name that led to it");
const NO_DEBUGGING = harmless("more logging is asked for with -v in master.cf");
const UNUSED = harmless("not supported yet; nothing is less protected without it");

/** A parameter that is neither honoured nor has a row here does not compile, nor does a row too many. */
export const ABSENCE: Readonly<Record<Absent, Absence>> = {
  address_verify_service_name: MOOT,
  allow_srv_lookup_fallback: NO_SRV,
  application_event_drain_time: MOOT,
  backwards_bounce_logfile_compatibility: MOOT,
  berkeley_db_create_buffer_size: MOOT,
  berkeley_db_read_buffer_size: MOOT,
  biff: UNUSED,
  bounce_service_name: MOOT,
  connection_cache_protocol_timeout: MOOT,
  connection_cache_service_name: MOOT,
  connection_cache_status_update_time: MOOT,
  connection_cache_ttl_limit: UNUSED,
  daemon_table_open_error_is_fatal: UNUSED,
  daemon_timeout: MOOT,
  debug_peer_level: NO_DEBUGGING,
  debug_peer_list: NO_DEBUGGING,
  debugger_command: MOOT,
  default_cache_db_type: UNUSED,
  default_delivery_slot_cost: OWN_SCHEDULING,
  default_delivery_slot_discount: OWN_SCHEDULING,
  default_delivery_slot_loan: OWN_SCHEDULING,
  default_extra_recipient_limit: OWN_SCHEDULING,
  default_minimum_delivery_slots: OWN_SCHEDULING,
  default_recipient_limit: OWN_SCHEDULING,
  default_recipient_refill_delay: OWN_SCHEDULING,
  default_recipient_refill_limit: OWN_SCHEDULING,
  defer_service_name: MOOT,
  destination_concurrency_feedback_debug: OWN_SCHEDULING,
  dns_ncache_ttl_fix_enable: OWN_RESOLVER,
  dnsblog_reply_delay: MOOT,
  dnsblog_service_name: MOOT,
  dont_remove: OWN_SCHEDULING,
  enable_idna2003_compatibility: UNUSED,
  error_service_name: MOOT,
  fast_flush_purge_time: NO_FLUSH_LOGS,
  fast_flush_refresh_time: NO_FLUSH_LOGS,
  fault_injection_code: MOOT,
  flush_service_name: MOOT,
  fork_attempts: MOOT,
  fork_delay: MOOT,
  hash_queue_depth: MOOT,
  hash_queue_names: MOOT,
  html_directory: MOOT,
  ignore_srv_lookup_error: NO_SRV,
  in_flow_delay: UNUSED,
  info_log_address_format: UNUSED,
  ipc_idle: MOOT,
  ipc_timeout: MOOT,
  ipc_ttl: MOOT,
  lmtp_cname_overrides_servername: NO_CNAME,
  lmtp_dns_resolver_options: OWN_RESOLVER,
  lmtp_sasl_path: OWN_MECHANISMS,
  lmtp_sasl_type: OWN_MECHANISMS,
  lmtp_tls_enable_rpk: NO_RAW_KEYS,
  lmtp_tls_trace_size_limit: NO_TRACE,
  lmtp_tlsrpt_enable: SMTP_REPORTS_ALONE,
  lmtp_tlsrpt_skip_reused_handshakes: SMTP_REPORTS_ALONE,
  lmtp_tlsrpt_socket_name: OWN_TLS_REPORTS,
  mailq_path: MOOT,
  manpage_directory: MOOT,
  max_use: MOOT,
  meta_directory: MOOT,
  newaliases_path: MOOT,
  non_bdb_custom_mapping: MOOT,
  non_bdb_migration_allow_root_prefixes: MOOT,
  non_bdb_migration_allow_user_prefixes: MOOT,
  non_bdb_migration_level: MOOT,
  non_bdb_migration_log_redirect: MOOT,
  non_bdb_migration_service_name: MOOT,
  non_empty_end_of_header_action: MIME_AS_IT_COMES,
  openssl_path: MOOT,
  pickup_service_name: MOOT,
  postlog_service_name: MOOT,
  postlogd_watchdog_timeout: MOOT,
  postscreen_allowlist_interfaces: POSTSCREEN_TESTS_ONLY,
  postscreen_bare_newline_action: POSTSCREEN_TEST,
  postscreen_bare_newline_enable: POSTSCREEN_TEST,
  postscreen_bare_newline_ttl: POSTSCREEN_TESTS_ONLY,
  postscreen_cache_cleanup_interval: POSTSCREEN_TESTS_ONLY,
  postscreen_cache_map: POSTSCREEN_TESTS_ONLY,
  postscreen_cache_retention_time: POSTSCREEN_TESTS_ONLY,
  postscreen_client_connection_count_limit: POSTSCREEN_TEST,
  postscreen_command_count_limit: POSTSCREEN_TEST,
  postscreen_command_filter: POSTSCREEN_TEST,
  postscreen_disable_vrfy_command: POSTSCREEN_TESTS_ONLY,
  postscreen_discard_ehlo_keyword_address_maps: POSTSCREEN_TESTS_ONLY,
  postscreen_discard_ehlo_keywords: POSTSCREEN_TESTS_ONLY,
  postscreen_dnsbl_allowlist_threshold: POSTSCREEN_TESTS_ONLY,
  postscreen_dnsbl_max_ttl: POSTSCREEN_TESTS_ONLY,
  postscreen_dnsbl_min_ttl: POSTSCREEN_TESTS_ONLY,
  postscreen_dnsbl_ttl: POSTSCREEN_TESTS_ONLY,
  postscreen_dnsbl_whitelist_threshold: POSTSCREEN_TESTS_ONLY,
  postscreen_expansion_filter: POSTSCREEN_TESTS_ONLY,
  postscreen_forbidden_commands: POSTSCREEN_TEST,
  postscreen_greet_action: POSTSCREEN_TEST,
  postscreen_greet_banner: POSTSCREEN_TESTS_ONLY,
  postscreen_greet_ttl: POSTSCREEN_TESTS_ONLY,
  postscreen_greet_wait: POSTSCREEN_TEST,
  postscreen_helo_required: POSTSCREEN_TEST,
  postscreen_non_smtp_command_action: POSTSCREEN_TEST,
  postscreen_non_smtp_command_enable: POSTSCREEN_TEST,
  postscreen_non_smtp_command_ttl: POSTSCREEN_TESTS_ONLY,
  postscreen_pipelining_action: POSTSCREEN_TEST,
  postscreen_pipelining_enable: POSTSCREEN_TEST,
  postscreen_pipelining_ttl: POSTSCREEN_TESTS_ONLY,
  postscreen_post_queue_limit: POSTSCREEN_TEST,
  postscreen_pre_queue_limit: POSTSCREEN_TEST,
  postscreen_reject_footer: POSTSCREEN_TESTS_ONLY,
  postscreen_reject_footer_maps: POSTSCREEN_TESTS_ONLY,
  postscreen_starttls_timeout: POSTSCREEN_TESTS_ONLY,
  postscreen_tls_CAfile: POSTSCREEN_HANDS_OVER,
  postscreen_tls_CApath: POSTSCREEN_HANDS_OVER,
  postscreen_tls_always_issue_session_ids: POSTSCREEN_HANDS_OVER,
  postscreen_tls_ask_ccert: POSTSCREEN_HANDS_OVER,
  postscreen_tls_ccert_verifydepth: POSTSCREEN_HANDS_OVER,
  postscreen_tls_cert_file: POSTSCREEN_HANDS_OVER,
  postscreen_tls_chain_files: POSTSCREEN_HANDS_OVER,
  postscreen_tls_ciphers: POSTSCREEN_HANDS_OVER,
  postscreen_tls_dcert_file: POSTSCREEN_HANDS_OVER,
  postscreen_tls_dh1024_param_file: POSTSCREEN_HANDS_OVER,
  postscreen_tls_dh512_param_file: POSTSCREEN_HANDS_OVER,
  postscreen_tls_dkey_file: POSTSCREEN_HANDS_OVER,
  postscreen_tls_eccert_file: POSTSCREEN_HANDS_OVER,
  postscreen_tls_eckey_file: POSTSCREEN_HANDS_OVER,
  postscreen_tls_eecdh_grade: POSTSCREEN_HANDS_OVER,
  postscreen_tls_enable_rpk: POSTSCREEN_HANDS_OVER,
  postscreen_tls_exclude_ciphers: POSTSCREEN_HANDS_OVER,
  postscreen_tls_fingerprint_digest: POSTSCREEN_HANDS_OVER,
  postscreen_tls_key_file: POSTSCREEN_HANDS_OVER,
  postscreen_tls_loglevel: POSTSCREEN_HANDS_OVER,
  postscreen_tls_loglevel_maps: POSTSCREEN_HANDS_OVER,
  postscreen_tls_mandatory_ciphers: POSTSCREEN_HANDS_OVER,
  postscreen_tls_mandatory_exclude_ciphers: POSTSCREEN_HANDS_OVER,
  postscreen_tls_mandatory_protocols: POSTSCREEN_HANDS_OVER,
  postscreen_tls_protocols: POSTSCREEN_HANDS_OVER,
  postscreen_tls_req_ccert: POSTSCREEN_HANDS_OVER,
  postscreen_tls_trace_size_limit: POSTSCREEN_HANDS_OVER,
  postscreen_use_tls: POSTSCREEN_HANDS_OVER,
  postscreen_watchdog_timeout: MOOT,
  postscreen_whitelist_interfaces: POSTSCREEN_TESTS_ONLY,
  proxy_read_maps: MOOT,
  proxy_write_maps: MOOT,
  proxymap_service_name: MOOT,
  proxywrite_service_name: MOOT,
  qmgr_clog_warn_time: OWN_SCHEDULING,
  qmgr_daemon_timeout: MOOT,
  qmgr_fudge_factor: MOOT,
  qmgr_ipc_timeout: MOOT,
  qmgr_message_recipient_minimum: OWN_SCHEDULING,
  qmqpd_authorized_clients: NO_QMQP,
  qmqpd_client_port_logging: NO_QMQP,
  qmqpd_error_delay: NO_QMQP,
  qmqpd_timeout: NO_QMQP,
  queue_file_attribute_count_limit: TABLE_LIMIT,
  queue_service_name: MOOT,
  readme_directory: MOOT,
  respectful_logging: UNUSED,
  rewrite_service_name: MOOT,
  sample_directory: MOOT,
  sendmail_path: MOOT,
  service_throttle_time: MOOT,
  setgid_group: MOOT,
  shlib_directory: MOOT,
  showq_service_name: MOOT,
  smtp_cname_overrides_servername: NO_CNAME,
  smtp_dns_resolver_options: OWN_RESOLVER,
  smtp_sasl_path: OWN_MECHANISMS,
  smtp_sasl_type: OWN_MECHANISMS,
  smtp_tls_enable_rpk: NO_RAW_KEYS,
  smtp_tls_trace_size_limit: NO_TRACE,
  smtp_tlsrpt_socket_name: OWN_TLS_REPORTS,
  smtpd_reject_filter_maps: NO_REPLY_FILTER,
  smtpd_tls_always_issue_session_ids: OWN_SESSIONS,
  smtpd_tls_dh1024_param_file: NO_FINITE_FIELDS,
  smtpd_tls_dh512_param_file: MOOT,
  smtpd_tls_enable_rpk: NO_RAW_KEYS,
  smtpd_tls_session_cache_database: OWN_SESSIONS,
  smtpd_tls_trace_size_limit: NO_TRACE,
  socketmap_max_query_size: TABLE_LIMIT,
  socketmap_max_reply_size: TABLE_LIMIT,
  tcp_windowsize: UNUSED,
  tls_config_file: NO_OPENSSL,
  tls_config_name: NO_OPENSSL,
  tls_daemon_random_bytes: MOOT,
  tls_disable_workarounds: NO_OPENSSL,
  tls_fast_shutdown_enable: MOOT,
  tls_ffdhe_auto_groups: NO_FINITE_FIELDS,
  tls_random_bytes: MOOT,
  tls_random_exchange_name: MOOT,
  tls_random_prng_update_period: MOOT,
  tls_random_reseed_period: MOOT,
  tls_random_source: MOOT,
  tls_ssl_options: NO_OPENSSL,
  tls_trace_rate_limit: NO_TRACE,
  tls_wildcard_matches_multiple_labels: MOOT,
  tlsmgr_service_name: MOOT,
  tlsproxy_client_CAfile: NO_TLSPROXY,
  tlsproxy_client_CApath: NO_TLSPROXY,
  tlsproxy_client_cert_file: NO_TLSPROXY,
  tlsproxy_client_chain_files: NO_TLSPROXY,
  tlsproxy_client_dcert_file: NO_TLSPROXY,
  tlsproxy_client_dkey_file: NO_TLSPROXY,
  tlsproxy_client_eccert_file: NO_TLSPROXY,
  tlsproxy_client_eckey_file: NO_TLSPROXY,
  tlsproxy_client_enforce_tls: NO_TLSPROXY,
  tlsproxy_client_fingerprint_digest: NO_TLSPROXY,
  tlsproxy_client_key_file: NO_TLSPROXY,
  tlsproxy_client_level: NO_TLSPROXY,
  tlsproxy_client_loglevel: NO_TLSPROXY,
  tlsproxy_client_loglevel_parameter: NO_TLSPROXY,
  tlsproxy_client_per_site: NO_TLSPROXY,
  tlsproxy_client_policy: NO_TLSPROXY,
  tlsproxy_client_policy_maps: NO_TLSPROXY,
  tlsproxy_client_scert_verifydepth: NO_TLSPROXY,
  tlsproxy_client_security_level: NO_TLSPROXY,
  tlsproxy_client_use_tls: NO_TLSPROXY,
  tlsproxy_enforce_tls: NO_TLSPROXY,
  tlsproxy_service_name: MOOT,
  tlsproxy_tls_CAfile: NO_TLSPROXY,
  tlsproxy_tls_CApath: NO_TLSPROXY,
  tlsproxy_tls_always_issue_session_ids: NO_TLSPROXY,
  tlsproxy_tls_ask_ccert: NO_TLSPROXY,
  tlsproxy_tls_ccert_verifydepth: NO_TLSPROXY,
  tlsproxy_tls_cert_file: NO_TLSPROXY,
  tlsproxy_tls_chain_files: NO_TLSPROXY,
  tlsproxy_tls_ciphers: NO_TLSPROXY,
  tlsproxy_tls_dcert_file: NO_TLSPROXY,
  tlsproxy_tls_dh1024_param_file: NO_TLSPROXY,
  tlsproxy_tls_dh512_param_file: NO_TLSPROXY,
  tlsproxy_tls_dkey_file: NO_TLSPROXY,
  tlsproxy_tls_eccert_file: NO_TLSPROXY,
  tlsproxy_tls_eckey_file: NO_TLSPROXY,
  tlsproxy_tls_eecdh_grade: NO_TLSPROXY,
  tlsproxy_tls_enable_rpk: NO_TLSPROXY,
  tlsproxy_tls_exclude_ciphers: NO_TLSPROXY,
  tlsproxy_tls_fingerprint_digest: NO_TLSPROXY,
  tlsproxy_tls_key_file: NO_TLSPROXY,
  tlsproxy_tls_loglevel: NO_TLSPROXY,
  tlsproxy_tls_mandatory_ciphers: NO_TLSPROXY,
  tlsproxy_tls_mandatory_exclude_ciphers: NO_TLSPROXY,
  tlsproxy_tls_mandatory_protocols: NO_TLSPROXY,
  tlsproxy_tls_protocols: NO_TLSPROXY,
  tlsproxy_tls_req_ccert: NO_TLSPROXY,
  tlsproxy_tls_security_level: NO_TLSPROXY,
  tlsproxy_use_tls: NO_TLSPROXY,
  tlsproxy_watchdog_timeout: MOOT,
  trace_service_name: MOOT,
  trigger_timeout: MOOT,
  use_srv_lookup: NO_SRV,
  "<transport>_delivery_slot_cost": OWN_SCHEDULING,
  "<transport>_delivery_slot_discount": OWN_SCHEDULING,
  "<transport>_delivery_slot_loan": OWN_SCHEDULING,
  "<transport>_extra_recipient_limit": OWN_SCHEDULING,
  "<transport>_minimum_delivery_slots": OWN_SCHEDULING,
  "<transport>_recipient_limit": OWN_SCHEDULING,
  "<transport>_recipient_refill_delay": OWN_SCHEDULING,
  "<transport>_recipient_refill_limit": OWN_SCHEDULING,
};
