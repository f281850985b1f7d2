import type { ParameterName } from "../config/parameters/settings_type.ts";

/** What master reads: processes, control and HTTP. */
export const MASTER_PARAMETERS = [
  "allow_open_relay",
  "anvil_rate_time_unit",
  "anvil_status_update_time",
  "authorized_flush_users",
  "authorized_mailq_users",
  "http_listen",
  "import_environment",
  "max_idle",
  "queue_directory",
  "shutdown_deadline",
  "worker_timeout",
  "syslog_name",
  "worker_processes",
] as const satisfies readonly ParameterName[];
