import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { splitList } from "../../config/syntax/list.ts";

/** The parameters of signing. */
export const SIGNING_PARAMETERS = [
  "dkim_mime_conversion",
  "dkim_oversigned_headers",
  "dkim_signed_headers",
  "dkim_signing_keys",
  "disable_mime_input_processing",
  "header_address_token_limit",
  "receive_override_options",
  "smtp_line_length_limit",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type SigningParameters = SettingsOf<typeof SIGNING_PARAMETERS>;

/** Fields that a message has once (RFC 5322 §3.6, RFC 2045 §3): a second one would be somebody else's. */
const ONCE: ReadonlySet<string> = new Set([
  "sender",
  "date",
  "message-id",
  "in-reply-to",
  "references",
  "mime-version",
  "content-type",
  "content-transfer-encoding",
  "content-disposition",
  "content-id",
  "content-description",
  "list-unsubscribe",
  "list-unsubscribe-post",
]);

/** What changes on the way, and must not be signed (RFC 6376 §5.4). */
const NEVER: ReadonlySet<string> = new Set([
  "return-path",
  "received",
  "comments",
  "keywords",
  "bcc",
  "resent-bcc",
  "dkim-signature",
  "authentication-results",
  "arc-seal",
  "arc-message-signature",
  "arc-authentication-results",
]);

/** Names of fields in lower case. */
export interface SignedFields {
  readonly signed: readonly string[];
  readonly oversigned: readonly string[];
}

/** What of a header is signed. */
export class FieldRules {
  readonly #signed: readonly string[];
  readonly #oversigned: readonly string[];

  constructor(settings: Pick<SigningParameters, "dkim_signed_headers" | "dkim_oversigned_headers">) {
    const wanted = (list: string) =>
      splitList(list).map((name) => name.replace(/:$/, "").toLowerCase()).filter((name) => !NEVER.has(name));
    this.#oversigned = [...new Set(["from", ...wanted(settings.dkim_oversigned_headers)])];
    this.#signed = [...new Set(wanted(settings.dkim_signed_headers))]
      .filter((name) => !this.#oversigned.includes(name));
  }

  /** For a header: a field that is there, and that there is one of, is oversigned; one that is missing may be added on the way. */
  for(fields: readonly string[]): SignedFields {
    const present = new Set(fields.map(fieldName));
    const closed = this.#signed.filter((name) => ONCE.has(name) && present.has(name));
    return {
      signed: this.#signed.filter((name) => !closed.includes(name)),
      oversigned: [...this.#oversigned, ...closed],
    };
  }
}

/** The name of a field, in lower case. */
export function fieldName(field: string): string {
  return field.slice(0, Math.max(field.indexOf(":"), 0)).trimEnd().toLowerCase();
}
