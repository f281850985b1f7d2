import { associationText } from "../../../tls/x509/association.ts";
import type { PolicyDraft } from "../../../tls/client_policy.ts";

/** What a next hop's own entry says, as text: part of the key under which its connections are kept. */
export function draftText({ associations, ...rest }: PolicyDraft): string {
  return rest.level === "none" ? "none" : JSON.stringify([rest, associations?.map(associationText)]);
}
