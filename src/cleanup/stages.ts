import { CheckRun } from "./check_run.ts";
import { CheckStage } from "./check_stage.ts";
import type { Submission } from "./cleanup.ts";
import type { CleanupHouse } from "./cleanup_deps.ts";
import { checksFor } from "./content_checks.ts";
import { HeaderEditor } from "./header_editor.ts";
import { HeaderRecipients } from "./header_recipients.ts";
import { HopLimit } from "./hop_limit.ts";
import type { MessageDraft } from "./message_draft.ts";
import type { Stage } from "./stage.ts";

/** What a message goes through, in this order. */
export function stagesFor(
  house: CleanupHouse,
  submission: Submission,
  message: MessageDraft,
): readonly Stage[] {
  const { settings, log } = house;
  const stages: Stage[] = [new HopLimit(message, settings.hopcountLimit, log)];
  const checks = checksFor(house.checks, submission.kind);
  if (checks !== undefined) stages.push(new CheckStage(checks, new CheckRun(submission, message, log)));
  if (submission.recipientsFromHeader) stages.push(new HeaderRecipients(message, settings.addressLimit));
  stages.push(new HeaderEditor(house, submission, message), ...house.stages?.(submission, message) ?? []);
  return stages;
}
