import { splitList } from "../../config/syntax/list.ts";
import type { Log } from "../../observe/log.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import type { Submission } from "../cleanup.ts";
import type { MessageDraft } from "../message_draft.ts";
import { MessageSigning } from "./message_signing.ts";
import type { SigningKeys } from "./signing_keys.ts";
import { FieldRules, type SigningParameters } from "./signing_settings.ts";

/** Signs a message; undefined for one that is not ours to sign. */
export type Signing = (submission: Submission, message: MessageDraft) => MessageSigning | undefined;

/** What signing needs of the house. */
export interface SigningDeps {
  readonly openTables: OpenTables;
  readonly keys: SigningKeys;
  readonly log: Log;
  readonly now: () => number;
}

/** Opens dkim_signing_keys; undefined where nothing is signed, as under receive_override_options = no_milters. */
export function openSigning(
  settings: SigningParameters,
  { openTables, keys, log, now }: SigningDeps,
): Signing | undefined {
  const maps = openTables.maps(settings.dkim_signing_keys, "dkim_signing_keys");
  if (maps === undefined) return undefined;
  if (splitList(settings.receive_override_options).includes("no_milters")) return undefined;
  const context = {
    maps,
    keys,
    fields: new FieldRules(settings),
    addressLimit: settings.header_address_token_limit,
    lineLimit: settings.smtp_line_length_limit,
    converts: settings.dkim_mime_conversion && !settings.disable_mime_input_processing,
    log,
    now,
  };
  return (submission, message) =>
    isOurs(submission) ? new MessageSigning(context, submission, message) : undefined;
}

/**
 * Mail of clients whom dkim_signing_clients permits and of local users, and notices. What goes through cleanup(8) again has its
 * signature; what is forwarded (`mail`), or handed on by a program of this machine (sendmail -G), is somebody else's.
 */
function isOurs({ kind, origin, replaces, signs, discard }: Submission): boolean {
  if (replaces !== undefined || discard) return false;
  if (kind !== undefined) return kind === "bounce" || kind === "notify";
  return signs ?? origin.clientAddress === undefined;
}
