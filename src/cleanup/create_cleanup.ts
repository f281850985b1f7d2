import type { Log } from "../observe/log.ts";
import type { QueueStore } from "../queue/store.ts";
import type { Rewriter } from "../rewrite/rewriter.ts";
import type { Cleanup } from "./cleanup.ts";
import { type CleanupParameters, type CleanupSettings, readCleanupSettings } from "./cleanup_settings.ts";
import type { ContentChecks } from "./content_checks.ts";
import { Incoming } from "./incoming.ts";

/** What cleanup is built from. */
export interface CleanupDeps {
  readonly settings: CleanupParameters;
  readonly store: Pick<QueueStore, "draft">;
  readonly rewriter: Rewriter;
  readonly log: Log;
  /** header_checks, body_checks and their kin (`openContentChecks`); undefined when there are none. */
  readonly checks?: ContentChecks;
}

/** What its messages share. */
export interface CleanupHouse extends Omit<CleanupDeps, "settings"> {
  readonly settings: CleanupSettings;
}

/** Builds cleanup for the settings of a service (cleanup(8)). */
export function createCleanup(deps: CleanupDeps): Cleanup {
  const house: CleanupHouse = { ...deps, settings: readCleanupSettings(deps.settings) };
  return { begin: (submission) => new Incoming(house, submission) };
}
