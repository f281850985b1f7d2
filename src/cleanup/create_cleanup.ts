import type { Cleanup } from "./cleanup.ts";
import type { CleanupDeps, CleanupHouse } from "./cleanup_deps.ts";
import { readCleanupSettings } from "./cleanup_settings.ts";
import { Incoming } from "./incoming.ts";

/** Builds cleanup for the settings of a service (cleanup(8)). */
export function createCleanup(deps: CleanupDeps): Cleanup {
  const house: CleanupHouse = { ...deps, settings: readCleanupSettings(deps.settings) };
  return { begin: (submission) => new Incoming(house, submission) };
}
