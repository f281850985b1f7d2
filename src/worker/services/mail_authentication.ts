import { systemClock } from "../../base/clock.ts";
import type { Service } from "../../config/service.ts";
import type { OnVerified } from "../../mailauth/reports/verified_message.ts";
import type { Log } from "../../observe/log.ts";
import type { MailAuthentication } from "../../smtpd/authentication/mail_authentication.ts";
import { openTrustedForwarders } from "../../smtpd/authentication/trusted_forwarders.ts";
import type { MailWorld } from "./mail_world.ts";

/** How an smtpd service checks mail of strangers; undefined where it does not (mail_authentication). */
export function openAuthentication(
  settings: Service["settings"],
  { openTables, resolver }: Pick<MailWorld, "openTables" | "resolver">,
  log: Log,
  onVerified?: OnVerified,
): MailAuthentication | undefined {
  if (!settings.mail_authentication) return undefined;
  const warn = (text: string) => log.note("smtpd", "warning", text);
  if (settings.smtpd_proxy_filter !== "") {
    warn("mail_authentication does not act: smtpd_proxy_filter takes the content");
    return undefined;
  }
  const maps = openTables.maps(settings.trusted_forwarders, "trusted_forwarders");
  return {
    authservId: settings.authserv_id,
    world: { resolver, clock: systemClock },
    ...(maps !== undefined && { forwarders: openTrustedForwarders(maps, warn) }),
    ...(onVerified !== undefined && { onVerified }),
  };
}
