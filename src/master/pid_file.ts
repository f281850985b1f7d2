import { join } from "node:path";
import type { Settings } from "../config/parameters/settings_type.ts";

/** Where the pid file and its lock are (process_id_directory, master(8)). */
export function pidFile(settings: Pick<Settings, "queue_directory" | "process_id_directory">): string {
  return join(settings.queue_directory, settings.process_id_directory, "master.pid");
}
