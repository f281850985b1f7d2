import type { Log } from "../../observe/log.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import type { Submission } from "../cleanup.ts";
import type { MessageEdits } from "../stage.ts";

/** What changes that filters make are held against. */
export interface MilterLimits {
  /** Longest field. */
  readonly header: number;
  /** message_size_limit; 0: none. */
  readonly message: number;
  /** milter_header_checks. */
  readonly checks: OpenMaps | undefined;
}

/** What leading a message through milters needs. */
export interface MilterStageDeps {
  readonly submission: Submission;
  readonly message: MessageEdits;
  readonly log: Log;
  readonly limits: MilterLimits;
}
