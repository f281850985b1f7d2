import type { ParameterName } from "../config/parameters/settings_type.ts";

/** What the commands read for themselves; the table tools do without a full configuration and ask by name. */
export const COMMAND_PARAMETERS = [
  "alias_database",
  "alternate_config_directories",
  "authorized_submit_users",
  "default_database_type",
  "dmarc_report_mailbox",
  "lmdb_map_size",
  "multi_instance_directories",
  "queue_directory",
  "sendmail_fix_line_endings",
  "smtputf8_enable",
] as const satisfies readonly ParameterName[];
