import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import type { MessageDraft } from "../message_draft.ts";
import type { SigningDeps } from "../signing/open_signing.ts";
import { FieldRules, type SIGNING_PARAMETERS } from "../signing/signing_settings.ts";
import { MessageSealing } from "./message_sealing.ts";

/** The parameters of sealing, beside those of signing. */
export const SEALING_PARAMETERS = ["arc_sealing_domain"] as const satisfies readonly ParameterName[];

/** Their values. */
export type SealingParameters = SettingsOf<typeof SIGNING_PARAMETERS> & SettingsOf<typeof SEALING_PARAMETERS>;

/** Seals a message that was checked. */
export type Sealing = (message: MessageDraft) => MessageSealing;

/** Opens arc_sealing_domain; undefined where nothing is sealed. */
export function openSealing(
  settings: SealingParameters,
  { openTables, keys, log, now }: SigningDeps,
): Sealing | undefined {
  const domain = settings.arc_sealing_domain.trim().toLowerCase();
  if (domain === "") return undefined;
  const maps = openTables.maps(settings.dkim_signing_keys, "dkim_signing_keys");
  if (maps === undefined) {
    log.note("cleanup", "warning", "arc_sealing_domain has no keys: dkim_signing_keys is empty");
    return undefined;
  }
  const context = { domain, maps, keys, fields: new FieldRules(settings), log, now };
  return (message) => new MessageSealing(context, message);
}
