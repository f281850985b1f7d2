import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";

/** The main.cf parameters that local(8) obeys. */
export const LOCAL_PARAMETERS = [
  "allow_mail_to_commands",
  "allow_mail_to_files",
  "command_execution_directory",
  "command_expansion_filter",
  "command_time_limit",
  "default_privs",
  "deliver_lock_attempts",
  "deliver_lock_delay",
  "execution_directory_expansion_filter",
  "expand_owner_alias",
  "export_environment",
  "fallback_transport",
  "forward_expansion_filter",
  "forward_path",
  "frozen_delivered_to",
  "home_mailbox",
  "local_command_shell",
  "luser_relay",
  "mail_name",
  "mail_spool_directory",
  "mailbox_command",
  "mailbox_delivery_lock",
  "mailbox_size_limit",
  "mailbox_transport",
  "myhostname",
  "owner_request_special",
  "prepend_delivered_header",
  "propagate_unmatched_extensions",
  "queue_directory",
  "recipient_delimiter",
  "require_home_directory",
  "reset_owner_alias",
  "stale_lock_time",
  "strict_mailbox_ownership",
  "sun_mailtool_compatibility",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type LocalSettings = SettingsOf<typeof LOCAL_PARAMETERS>;
