import type { Cleanup } from "./cleanup.ts";
import type { CleanupContext, CleanupDeps } from "./cleanup_deps.ts";
import { readCleanupSettings } from "./cleanup_settings.ts";
import { Incoming } from "./incoming.ts";

/** Builds cleanup for the settings of a service (cleanup(8)). */
export function createCleanup(deps: CleanupDeps): Cleanup {
  const context: CleanupContext = { ...deps, settings: readCleanupSettings(deps.settings) };
  return { begin: (submission) => new Incoming(context, submission) };
}
