import { then } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { splitList } from "../config/syntax/list.ts";
import { filtersOf } from "../milter/create_filters.ts";
import { FILTER_PARAMETERS } from "../milter/filter_settings.ts";
import type { Log } from "../observe/log.ts";
import type { OpenTables } from "../rewrite/open_tables.ts";
import type { SmtpdDeps } from "./deps.ts";

/** The parameters that say which filters see what comes by SMTP. */
export const SMTPD_MILTER_PARAMETERS = [
  ...FILTER_PARAMETERS,
  "receive_override_options",
  "smtpd_milter_maps",
  "smtpd_milters",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type SmtpdMilterSettings = SettingsOf<typeof SMTPD_MILTER_PARAMETERS>;

const isNone = (list: string) => list === "" || list.toUpperCase() === "DISABLE";

/** Opens the milters of a service's clients: those of smtpd_milter_maps for the address, else smtpd_milters. */
export function openSmtpdMilters(
  settings: SmtpdMilterSettings,
  openTables: OpenTables,
  log: Log,
): SmtpdDeps["milters"] {
  const general = settings.smtpd_milters;
  const maps = openTables.maps(settings.smtpd_milter_maps, "smtpd_milter_maps");
  if (splitList(settings.receive_override_options).includes("no_milters")) return undefined;
  if (maps === undefined && isNone(general)) return undefined;
  const warn = (text: string, inContent = false) =>
    log.note(inContent ? "cleanup" : "smtpd", "warning", text);
  const create = filtersOf(settings, warn);
  const open = (list: string) => isNone(list) ? undefined : create(list);
  return (address) =>
    then(maps?.whole.find(address), (answer) => {
      if (answer?.is === "trouble") warn(answer.why);
      return open(answer?.is === "found" ? answer.value : general);
    });
}
