import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { Resolver } from "../dns/resolver.ts";
import type { FindAddress } from "../rewrite/find_address.ts";
import type { LocalDomains } from "../rewrite/local_domains.ts";
import type { OpenTables } from "../rewrite/open_tables.ts";
import type { Router } from "../routing/route.ts";
import type { AddressList, DomainList } from "../table/search/match_list.ts";
import type { AccessLookup } from "./table/access_table.ts";
import type { ActionRules } from "./table/access_action.ts";
import type { PolicyServer } from "./policy_server.ts";
import type { TemplateRules } from "./reply/reply_template.ts";
import type { AddressVerifier } from "./verifier.ts";

/** The settings that access control depends on. */
export const ACCESS_PARAMETERS = [
  "access_at_domain_keys",
  "access_map_defer_code",
  "access_map_reject_code",
  "address_verify_poll_count",
  "address_verify_poll_delay",
  "allow_open_relay",
  "allow_untrusted_routing",
  "default_rbl_reply",
  "defer_code",
  "dkim_signing_clients",
  "dkim_signing_keys",
  "double_bounce_sender",
  "inet_protocols",
  "invalid_hostname_reject_code",
  "local_header_rewrite_clients",
  "local_recipient_maps",
  "mail_authentication",
  "mail_authentication_exempt",
  "maps_rbl_domains",
  "maps_rbl_reject_code",
  "multi_recipient_bounce_reject_code",
  "myhostname",
  "mynetworks",
  "myorigin",
  "non_fqdn_reject_code",
  "owner_request_special",
  "parent_domain_matches_subdomains",
  "permit_mx_backup_networks",
  "plaintext_reject_code",
  "rbl_reply_maps",
  "recipient_canonical_maps",
  "canonical_maps",
  "sender_canonical_maps",
  "recipient_delimiter",
  "reject_code",
  "relay_domains",
  "relay_domains_reject_code",
  "relay_recipient_maps",
  "show_user_unknown_table_name",
  "smtpd_authorized_xclient_hosts",
  "smtpd_client_port_logging",
  "smtpd_client_restrictions",
  "smtpd_data_restrictions",
  "smtpd_delay_reject",
  "smtpd_end_of_data_restrictions",
  "smtpd_etrn_restrictions",
  "smtpd_expansion_filter",
  "smtpd_helo_required",
  "smtpd_helo_restrictions",
  "smtpd_log_access_permit_actions",
  "smtpd_null_access_lookup_key",
  "smtpd_peername_lookup",
  "smtpd_policy_service_default_action",
  "smtpd_proxy_filter",
  "smtpd_dns_reply_filter",
  "smtpd_policy_service_max_idle",
  "smtpd_policy_service_max_ttl",
  "smtpd_policy_service_policy_context",
  "smtpd_policy_service_request_limit",
  "smtpd_policy_service_retry_delay",
  "smtpd_policy_service_timeout",
  "smtpd_policy_service_try_limit",
  "smtpd_recipient_restrictions",
  "smtpd_reject_unlisted_recipient",
  "smtpd_reject_unlisted_sender",
  "smtpd_relay_before_recipient_restrictions",
  "smtpd_relay_restrictions",
  "smtpd_restriction_classes",
  "smtpd_sender_restrictions",
  "smtputf8_enable",
  "soft_bounce",
  "receive_override_options",
  "stress",
  "unknown_address_reject_code",
  "unknown_address_tempfail_action",
  "unknown_client_reject_code",
  "relay_clientcerts",
  "smtpd_tls_ask_ccert",
  "smtpd_tls_req_ccert",
  "unknown_helo_hostname_tempfail_action",
  "unknown_hostname_reject_code",
  "unknown_local_recipient_reject_code",
  "unknown_relay_recipient_reject_code",
  "unknown_virtual_alias_reject_code",
  "unknown_virtual_mailbox_reject_code",
  "unverified_recipient_defer_code",
  "unverified_recipient_reject_code",
  "unverified_recipient_reject_reason",
  "unverified_recipient_tempfail_action",
  "unverified_sender_defer_code",
  "smtpd_sasl_auth_enable",
  "smtpd_sasl_security_options",
  "smtpd_sasl_tls_security_options",
  "smtpd_sender_login_maps",
  "unverified_sender_reject_code",
  "unverified_sender_reject_reason",
  "unverified_sender_tempfail_action",
  "virtual_alias_maps",
  "virtual_mailbox_maps",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type AccessSettings = SettingsOf<typeof ACCESS_PARAMETERS>;

/** The DNS questions that restrictions ask. */
export type PolicyDns = Pick<Resolver, "query" | "addresses">;

/** What restrictions are built with. */
export interface RestrictionDeps {
  readonly settings: AccessSettings;
  /** The same with `stress = yes`; undefined where a service has no limit to come near to. */
  readonly stressed: AccessSettings | undefined;
  readonly openTables: OpenTables;
  readonly lookup: AccessLookup;
  readonly actions: ActionRules;
  readonly templates: TemplateRules;
  readonly router: Router;
  readonly local: LocalDomains;
  readonly find: FindAddress;
  readonly mynetworks: AddressList | undefined;
  readonly mxBackupNetworks: AddressList | undefined;
  readonly relayDomains: DomainList | undefined;
  /** Undefined: every name is looked up in vain, as with a dead name server. */
  readonly dns: PolicyDns | undefined;
  readonly verifier: AddressVerifier | undefined;
  /** The connection pool of a policy server, one for each endpoint and set of options. */
  policyServer(spec: string): PolicyServer;
}
