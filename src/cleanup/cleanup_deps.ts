import type { Log } from "../observe/log.ts";
import type { QueueStore } from "../queue/store.ts";
import type { Rewriter } from "../rewrite/rewriter.ts";
import type { CleanupParameters, CleanupSettings } from "./cleanup_settings.ts";
import type { ContentChecks } from "./content_checks.ts";

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
