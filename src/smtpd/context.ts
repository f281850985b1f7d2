import type { SessionPolicy } from "../access/policy.ts";
import type { SmtpdDeps } from "./deps.ts";
import type { SessionFacts } from "./session_facts.ts";
import type { SessionSettings } from "./session_settings.ts";

/** What a step is made from beside its phase. It is read, never written: what changes is in the step. */
export interface Context {
  readonly deps: SmtpdDeps;
  readonly settings: SessionSettings;
  readonly facts: SessionFacts;
  readonly policy: SessionPolicy;
  /** The command in hand, or the last one, for log lines. */
  readonly where: string;
  /** The client as replies and log lines show it. */
  readonly clientText: string;
}
