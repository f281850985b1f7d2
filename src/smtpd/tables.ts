import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import { splitList } from "../config/list.ts";
import type { Settings } from "../config/settings.ts";
import type { Log } from "../observe/log.ts";
import type { Shelf, ShelfMaps } from "../rewrite/shelf.ts";
import type { Answer } from "../table/table.ts";
import type { SmtpdDeps } from "./deps.ts";
import { isInlinePattern } from "./forbidden_commands.ts";
import { LocalDataFault } from "./local_data_fault.ts";

/** The parameters that name tables of a session. */
export type TableSettings = Pick<
  Settings,
  "smtpd_command_filter" | "smtpd_discard_ehlo_keyword_address_maps" | "smtpd_forbidden_commands"
>;

/** What a session looks up in tables; each is undefined when its parameter names none. */
export type SmtpdTables = Pick<SmtpdDeps, "commandFilter" | "discardedKeywords" | "forbiddenCommand">;

type Lookup = (key: string) => MaybeAsync<string | undefined>;

/** A lookup of the whole key; trouble is what `trouble` makes of it. */
function lookupIn(
  maps: ShelfMaps | undefined,
  trouble: (title: string, key: string, why: string) => undefined,
): Lookup | undefined {
  if (maps === undefined) return undefined;
  const valueOf = (answer: Answer, key: string) => {
    if (answer.is === "found") return answer.value;
    return answer.is === "trouble" ? trouble(maps.title, key, answer.why) : undefined;
  };
  return (key) => {
    const answer = maps.whole.find(key);
    return isPromise(answer) ? answer.then((late) => valueOf(late, key)) : valueOf(answer, key);
  };
}

/** Ends the session. */
function fail(title: string, key: string, why: string): never {
  throw new LocalDataFault(`${title}: lookup error for "${key.slice(0, 100)}": ${why}`);
}

/** Opens the tables that a session asks (smtpd_command_filter, smtpd_discard_ehlo_keyword_address_maps, smtpd_forbidden_commands). */
export function openSmtpdTables(settings: TableSettings, shelf: Shelf, log: Log): SmtpdTables {
  const open = (text: string, title: string) => lookupIn(shelf.maps(text, title), fail);
  const tables = splitList(settings.smtpd_forbidden_commands)
    .filter((item) => item.includes(":") && !isInlinePattern(item)).join(" ");
  // Postfix does not mind when these cannot be asked: not critical.
  const forbidden = lookupIn(shelf.maps(tables, "smtpd_forbidden_commands"), (title, _key, why) => {
    log.note("smtpd", "warning", `${title}: ${why}`);
    return undefined;
  });
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
