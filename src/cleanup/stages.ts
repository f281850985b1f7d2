import { ForgedResults } from "./authentication/forged_results.ts";
import { ResultsStage } from "./authentication/results_stage.ts";
import { CheckRun } from "./check_run.ts";
import { CheckStage } from "./check_stage.ts";
import type { Submission } from "./cleanup.ts";
import type { CleanupContext } from "./cleanup_deps.ts";
import { checksFor, type ContentChecks, isChecked } from "./content_checks.ts";
import { HeaderEditor } from "./header_editor.ts";
import { HopLimit } from "./hop_limit.ts";
import { MimeRules, type WantedRules } from "./mime_rules.ts";
import type { MessageDraft } from "./message_draft.ts";
import { MilterStage } from "./milters/milter_stage.ts";
import type { Stage } from "./stage.ts";
import { TlsFields } from "./tls_fields.ts";

/** What a message goes through, in this order. */
export function stagesFor(
  given: CleanupContext,
  submission: Submission,
  message: MessageDraft,
): readonly Stage[] {
  const milters = milterStage(given, submission, message);
  const context = milters === undefined ? given : withShorterFields(given);
  const { settings, log } = context;
  const checks = checksFor(context.checks, submission.kind);
  const stages: Stage[] = [];
  const rules = wantedRules(context, submission, checks);
  if (rules.nesting) stages.push(new MimeRules(submission, message, { wanted: rules, log }));
  stages.push(new HopLimit(message, settings.hopcountLimit, log));
  const { authentication } = submission;
  if (authentication !== undefined) {
    stages.push(new ForgedResults(authentication.authservId, submission.prepend));
  }
  if (checks !== undefined) stages.push(new CheckStage(checks, new CheckRun(submission, message, log)));
  stages.push(new HeaderEditor(context, submission, message), ...context.stages?.(submission, message) ?? []);
  const { tlsFields } = settings;
  if (tlsFields.tlsRequired || tlsFields.requireTls) stages.push(new TlsFields(message, tlsFields, log));
  const signing = context.signing?.(submission, message);
  if (signing !== undefined) stages.push(signing.prepares);
  const sealing = authentication === undefined ? undefined : context.sealing?.(message);
  if (sealing !== undefined) stages.push(sealing.prepares);
  // Filters see what goes into the queue, but for our signature, which is on what they made of it.
  if (milters !== undefined) stages.push(milters);
  if (signing !== undefined) stages.push(signing.signs);
  if (authentication !== undefined) stages.push(new ResultsStage(authentication, message, sealing));
  return stages;
}

/** libmilter takes no longer fields. */
const MOST_FOR_MILTERS = 60_000;

function withShorterFields(context: CleanupContext): CleanupContext {
  const headerSizeLimit = Math.min(context.settings.headerSizeLimit, MOST_FOR_MILTERS);
  return { ...context, settings: { ...context.settings, headerSizeLimit } };
}

function milterStage(
  { settings, log, milterChecks: checks, localMilters }: CleanupContext,
  submission: Submission,
  message: MessageDraft,
): Stage | undefined {
  const { milters } = submission;
  const create = milters === undefined ? localMilters?.(submission) : undefined;
  if (milters === undefined && create === undefined) return undefined;
  const header = Math.min(settings.headerSizeLimit, MOST_FOR_MILTERS);
  const deps = { submission, message, log, limits: { header, message: settings.messageSizeLimit, checks } };
  return milters === undefined ? create?.(deps) : new MilterStage(deps, milters);
}

const NO_RULES: WantedRules = { nesting: false, header: false, body: false, domain: false };

/** A message that fields are checked of is not to hide some of them by depth. */
function wantedRules(
  { settings }: CleanupContext,
  { kind }: Submission,
  checks: ContentChecks | undefined,
): WantedRules {
  const rules = isChecked(kind, settings.checkedKinds) ? settings.mimeRules : NO_RULES;
  return checks?.refusesDeep ? { ...rules, nesting: true } : rules;
}
