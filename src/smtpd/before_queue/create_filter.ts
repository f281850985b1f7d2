import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { splitList } from "../../config/syntax/list.ts";
import { openScratchFile } from "../../platform/file/scratch_file.ts";
import { connect } from "../../platform/socket/connection.ts";
import { parseEndpoint } from "../../table/remote/server_endpoint.ts";
import type { Clock } from "../../base/clock.ts";
import type { BeginFiltered } from "./filtered_mail.ts";
import { MailAtOnce } from "./mail_at_once.ts";
import { MailWhenWhole } from "./mail_when_whole.ts";

/** The parameters of a filter before the queue. */
export const FILTER_PARAMETERS = [
  "smtpd_proxy_filter",
  "smtpd_proxy_timeout",
  "smtpd_proxy_ehlo",
  "smtpd_proxy_options",
  "line_length_limit",
  "message_size_limit",
  "queue_directory",
  "data_directory",
] as const satisfies readonly ParameterName[];

/** The filter of a service, or why what it says is none; undefined where there is none (smtpd_proxy_filter). */
export function createFilter(
  settings: SettingsOf<typeof FILTER_PARAMETERS>,
  world: { readonly clock: Clock; readonly warn: (text: string) => void },
): BeginFiltered | { readonly why: string } | undefined {
  const name = settings.smtpd_proxy_filter;
  if (name === "") return undefined;
  const { queue_directory: queue, message_size_limit: limit } = settings;
  const endpoint = parseEndpoint(/^(?:inet|unix):/i.test(name) ? name : `inet:${name}`, queue);
  if (endpoint.is === "bad") return { why: `smtpd_proxy_filter: ${endpoint.why}` };
  const place = {
    ...world,
    name,
    to: endpoint.to,
    ehlo: settings.smtpd_proxy_ehlo,
    timeout: settings.smtpd_proxy_timeout * 1000,
    lineLimit: settings.line_length_limit,
    connect,
  };
  if (!splitList(settings.smtpd_proxy_options).includes("speed_adjust")) {
    return (mail, told) => new MailAtOnce(place, limit, mail, told);
  }
  const openScratch = () => openScratchFile(settings.data_directory);
  return (mail, told) => new MailWhenWhole(place, limit, openScratch, mail, told);
}
