// Where the transcripts of logins are, and what their main.cf says before their own lines.
import { join } from "node:path";

export const SASL_SESSIONS = join(import.meta.dirname, "../../sessions/sasl");

export const SASL_MAIN_CF: Readonly<Record<string, string>> = {
  smtpd_sasl_auth_enable: "yes",
  smtpd_sasl_type: "dovecot",
};
