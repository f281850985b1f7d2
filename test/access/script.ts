// What the scenarios of access policies are written with.
import type { ScriptClient } from "../kit/scenes/play_session.ts";

/** A session: EHLO, MAIL and a RCPT for each recipient. */
export const rcpts = (sender: string, ...recipients: string[]) => [
  "EHLO client.example.org",
  `MAIL ${sender}`,
  ...recipients.map((recipient) => `RCPT ${recipient}`),
];

/** A client by address. */
export const at = (address: string, more: Partial<ScriptClient> = {}): ScriptClient => ({ address, ...more });

/** Lists that a sender of c.example asks for by name, so that one service tries many. */
export const bySender = (classes: Readonly<Record<string, string>>, relay: string) => ({
  smtpd_restriction_classes: Object.keys(classes).join(", "),
  ...classes,
  smtpd_recipient_restrictions: `check_sender_access inline:{${
    Object.keys(classes).map((name) => `{${name}@c.example=${name}}`).join(",")
  }}`,
  smtpd_relay_restrictions: relay,
});
