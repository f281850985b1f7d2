import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import { splitMatchList } from "../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { Log } from "../observe/log.ts";
import type { OpenMaps, OpenTables } from "../rewrite/open_tables.ts";
import type { Answer } from "../table/table.ts";
import type { SmtpdDeps } from "./deps.ts";
import { isInlinePattern } from "./policy/forbidden_commands.ts";
import { LocalDataFault } from "./local_data_fault.ts";

/** The parameters that name tables of a session. */
export const TABLE_PARAMETERS = [
  "smtpd_command_filter",
  "smtpd_discard_ehlo_keyword_address_maps",
  "smtpd_forbidden_commands",
  "smtpd_noop_commands",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type TableSettings = SettingsOf<typeof TABLE_PARAMETERS>;

/** What a session looks up in tables; each is undefined when its parameter names none. */
export type SmtpdTables = Pick<
  SmtpdDeps,
  "commandFilter" | "discardedKeywords" | "forbiddenCommand" | "noopCommand"
>;

type Lookup = (key: string) => MaybeAsync<string | undefined>;

/** A lookup of the whole key. A table that cannot be asked ends the session. */
function lookupIn(maps: OpenMaps | undefined): Lookup | undefined {
  if (maps === undefined) return undefined;
  const valueOf = (answer: Answer, key: string) => {
    if (answer.is === "found") return answer.value;
    if (answer.is === "absent") return undefined;
    throw new LocalDataFault(`${maps.title}: lookup error for "${key.slice(0, 100)}": ${answer.why}`);
  };
  return (key) => {
    const answer = maps.whole.find(key);
    return isPromise(answer) ? answer.then((late) => valueOf(late, key)) : valueOf(answer, key);
  };
}

/** A list of commands that has more than names and one pattern written in place: `!name`, `/file`, `type:table`. */
function needsList(text: string): boolean {
  return splitMatchList(text).items.some((item) => /[:/!]/.test(item) && !isInlinePattern(item));
}

/** Whether a verb is in such a list. What cannot be asked is in none, with a warning: Postfix does not mind either. */
function commandList(text: string, title: string, openTables: OpenTables, log: Log) {
  const list = needsList(text)
    ? openTables.domains(text, { parentMatches: false, exact: true, title })
    : undefined;
  if (list === undefined) return undefined;
  return (verb: string) =>
    then(list.matches(verb), (match) => {
      if (match.is === "trouble") log.note("smtpd", "warning", `${title}: ${match.why}`);
      return match.is === "yes";
    });
}

/** Opens the tables that a session asks: those of TableSettings. */
export function openSmtpdTables(settings: TableSettings, openTables: OpenTables, log: Log): SmtpdTables {
  const lookup = (name: "smtpd_command_filter" | "smtpd_discard_ehlo_keyword_address_maps") =>
    lookupIn(openTables.maps(settings[name], name));
  const list = (name: "smtpd_forbidden_commands" | "smtpd_noop_commands") =>
    commandList(settings[name], name, openTables, log);
  return {
    commandFilter: lookup("smtpd_command_filter"),
    discardedKeywords: lookup("smtpd_discard_ehlo_keyword_address_maps"),
    forbiddenCommand: list("smtpd_forbidden_commands"),
    noopCommand: list("smtpd_noop_commands"),
  };
}
