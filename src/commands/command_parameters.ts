import type { ParameterName } from "../config/parameters/settings_type.ts";

/** What the commands read for themselves; the table tools do without a full configuration and ask by name. */
export const COMMAND_PARAMETERS = [
  "alias_database",
  "default_database_type",
  "lmdb_map_size",
  "queue_directory",
  "smtputf8_enable",
] as const satisfies readonly ParameterName[];
