import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import type { SettingsOf } from "../../config/parameters/settings_type.ts";
import type { Log } from "../../observe/log.ts";
import { type MATCH_PARAMETERS, type OpenTables, parentMatches } from "../../rewrite/open_tables.ts";
import type { Match } from "../../table/search/match_list.ts";
import type { Context } from "../context.ts";
import type { ListParameter, SmtpdDeps } from "../deps.ts";

/** The parameters that list clients. */
export const CLIENT_LIST_PARAMETERS = [
  "smtpd_authorized_xclient_hosts",
  "smtpd_authorized_xforward_hosts",
  "smtpd_authorized_verp_clients",
  "smtpd_forbid_bare_newline_exclusions",
  "smtpd_client_event_limit_exceptions",
  "login_failure_exceptions",
] as const satisfies readonly ListParameter[];

/** Their values, and how such lists are read. */
export type ListSettings = SettingsOf<typeof CLIENT_LIST_PARAMETERS> & SettingsOf<typeof MATCH_PARAMETERS>;

/** Opens the lists of clients of a service. A list that cannot be asked contains nobody, with a warning. */
export function openClientLists(
  settings: ListSettings,
  openTables: OpenTables,
  log: Log,
): SmtpdDeps["listed"] {
  const lists = new Map(CLIENT_LIST_PARAMETERS.map((name) => [
    name,
    openTables.addresses(settings[name], { parentMatches: parentMatches(settings, name), title: name }),
  ]));
  return (parameter, { address, name }) => {
    const list = lists.get(parameter);
    if (list === undefined) return false;
    const judged = (match: Match) => {
      if (match.is === "trouble") log.note("smtpd", "warning", `${parameter}: ${match.why}`);
      return match.is === "yes";
    };
    const match = list.matches(address, name === "unknown" ? undefined : name);
    return isPromise(match) ? match.then(judged) : judged(match);
  };
}

const LIST_FOR = {
  xclient: "smtpd_authorized_xclient_hosts",
  xforward: "smtpd_authorized_xforward_hosts",
  xverp: "smtpd_authorized_verp_clients",
} as const;

/** Whether the client may use XCLIENT, XFORWARD or XVERP; without a list nobody may. */
export function mayUse(
  { settings, deps, facts }: Context,
  what: keyof typeof LIST_FOR,
): MaybeAsync<boolean> {
  return settings[what] ? deps.listed(LIST_FOR[what], facts.client) : false;
}
