import type { ParameterName, TransportParameter } from "../config/parameters/settings_type.ts";

/** What a worker reads to join its rooms; what the rooms read stands with them. */
export const WORKER_PARAMETERS = [
  "address_verify_cache_cleanup_interval",
  "address_verify_pending_request_limit",
  "alias_maps",
  "anvil_rate_time_unit",
  "anvil_status_update_time",
  "best_mx_transport",
  "bounce_template_file",
  "cleanup_service_name",
  "command_time_limit",
  "default_privs",
  "dns_servers",
  "dns_trust_ad",
  "dnssec_probe",
  "fallback_transport_maps",
  "mailbox_command_maps",
  "mailbox_transport_maps",
  "proxy_interfaces",
  "virtual_gid_maps",
  "virtual_mailbox_maps",
  "virtual_uid_maps",
] as const satisfies readonly ParameterName[];

/** What it reads of a transport. */
export const WORKER_TRANSPORT_PARAMETERS = [
  "<transport>_time_limit",
] as const satisfies readonly TransportParameter[];
