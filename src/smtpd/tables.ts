import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import { splitList } from "../config/list.ts";
import type { Settings } from "../config/settings.ts";
import type { Log } from "../observe/log.ts";
import type { Shelf, ShelfMaps } from "../rewrite/shelf.ts";
import type { Answer } from "../table/table.ts";
import type { SmtpdDeps } from "./deps.ts";
import { isInlinePattern } from "./forbidden_commands.ts";

/** The parameters that name tables of a session. */
export type TableSettings = Pick<
  Settings,
  "smtpd_command_filter" | "smtpd_discard_ehlo_keyword_address_maps" | "smtpd_forbidden_commands"
>;

/** What a session looks up in tables; each is undefined when its parameter names none. */
export type SmtpdTables = Pick<SmtpdDeps, "commandFilter" | "discardedKeywords" | "forbiddenCommand">;

type Lookup = (key: string) => MaybeAsync<string | undefined>;

/** A lookup of the whole key; trouble is "not there", with a warning. */
function lookupIn(maps: ShelfMaps | undefined, log: Log): Lookup | undefined {
  if (maps === undefined) return undefined;
  const valueOf = (answer: Answer) => {
    if (answer.is === "found") return answer.value;
    if (answer.is === "trouble") log.note("smtpd", "warning", `${maps.title}: ${answer.why}`);
    return undefined;
  };
  return (key) => {
    const answer = maps.whole.find(key);
    return isPromise(answer) ? answer.then(valueOf) : valueOf(answer);
  };
}

/** Opens the tables that a session asks (smtpd_command_filter, smtpd_discard_ehlo_keyword_address_maps, smtpd_forbidden_commands). */
export function openSmtpdTables(settings: TableSettings, shelf: Shelf, log: Log): SmtpdTables {
  const open = (text: string, title: string) => lookupIn(shelf.maps(text, title), log);
  const tables = splitList(settings.smtpd_forbidden_commands)
    .filter((item) => item.includes(":") && !isInlinePattern(item)).join(" ");
  const forbidden = open(tables, "smtpd_forbidden_commands");
  return {
    commandFilter: open(settings.smtpd_command_filter, "smtpd_command_filter"),
    discardedKeywords: open(
      settings.smtpd_discard_ehlo_keyword_address_maps,
      "smtpd_discard_ehlo_keyword_address_maps",
    ),
    forbiddenCommand: forbidden === undefined
      ? undefined
      : (verb) => then(forbidden(verb), (value) => value !== undefined),
  };
}
