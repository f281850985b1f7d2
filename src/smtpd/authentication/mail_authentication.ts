import type { ParameterName } from "../../config/parameters/settings_type.ts";
import type { CheckWorld } from "../../mailauth/message_check.ts";
import type { OnVerified } from "../../mailauth/reports/verified_message.ts";
import type { TrustedForwarders } from "./trusted_forwarders.ts";

/** The parameters of checking. */
export const AUTHENTICATION_PARAMETERS = [
  "authserv_id",
  "mail_authentication",
  "trusted_forwarders",
] as const satisfies readonly ParameterName[];

/** How mail of strangers is checked (mail_authentication). */
export interface MailAuthentication {
  /** authserv_id. */
  readonly authservId: string;
  readonly world: CheckWorld;
  /** Undefined: nobody's word counts for another's mail. */
  readonly forwarders?: TrustedForwarders;
  /** Undefined: DMARC's reports are not wanted. */
  readonly onVerified?: OnVerified;
}
