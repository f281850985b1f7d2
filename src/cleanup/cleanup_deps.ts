import type { Log } from "../observe/log.ts";
import type { QueueStore } from "../queue/store.ts";
import type { Rewriter } from "../rewrite/rewriter.ts";
import type { Submission } from "./cleanup.ts";
import type { CleanupParameters, CleanupSettings } from "./cleanup_settings.ts";
import type { ContentChecks } from "./content_checks.ts";
import type { OpenMaps } from "../rewrite/open_tables.ts";
import type { LocalMilters } from "./milters/local_milters.ts";
import type { Sealing } from "./authentication/open_sealing.ts";
import type { Signing } from "./signing/open_signing.ts";
import type { MessageEdits, Stage } from "./stage.ts";

/** What cleanup is built from. */
export interface CleanupDeps {
  readonly settings: CleanupParameters;
  readonly store: Pick<QueueStore, "draft">;
  readonly rewriter: Rewriter;
  readonly log: Log;
  /** header_checks, body_checks and their kin (`openContentChecks`); undefined when there are none. */
  readonly checks?: ContentChecks;
  /** milter_header_checks. */
  readonly milterChecks?: OpenMaps;
  /** non_smtpd_milters; undefined where there are none. */
  readonly localMilters?: LocalMilters;
  /** Signs our own mail (dkim_signing_keys); undefined where none is signed. */
  readonly signing?: Signing;
  /** Seals mail that was checked (arc_sealing_domain); undefined where none is sealed. */
  readonly sealing?: Sealing;
  /** More stages for a message, behind those of cleanup itself: filters, results of checks. */
  readonly stages?: (submission: Submission, message: MessageEdits) => readonly Stage[];
}

/** What its messages share. */
export interface CleanupContext extends Omit<CleanupDeps, "settings"> {
  readonly settings: CleanupSettings;
}
