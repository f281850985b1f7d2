import { join } from "node:path";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";

/** The parameters that say where the pid file is. */
export const PID_PARAMETERS = [
  "queue_directory",
  "process_id_directory",
] as const satisfies readonly ParameterName[];

/** Where the pid file and its lock are (process_id_directory, master(8)). */
export function pidFile(settings: SettingsOf<typeof PID_PARAMETERS>): string {
  return join(settings.queue_directory, settings.process_id_directory, "master.pid");
}
