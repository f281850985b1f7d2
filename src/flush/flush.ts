import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { Log } from "../observe/log.ts";
import { type MATCH_PARAMETERS, type OpenTables, parentMatches } from "../rewrite/open_tables.ts";

/** What became of a request for a site's mail: `denied` when the site is not in fast_flush_domains. */
export type FlushAnswer = "started" | "denied" | "failed";

/** Makes the deferred mail for a site due now. */
export type FlushSite = (site: string) => MaybeAsync<FlushAnswer>;

/** The settings of the service. */
export const FLUSH_PARAMETERS = ["fast_flush_domains"] as const satisfies readonly ParameterName[];

/** Their values. */
export type FlushSettings = SettingsOf<typeof FLUSH_PARAMETERS> & SettingsOf<typeof MATCH_PARAMETERS>;

/** What a flush needs of its surroundings. */
export interface FlushDeps {
  readonly openTables: OpenTables;
  readonly log: Log;
  /** Does it, for a site that may be flushed. */
  readonly send: FlushSite;
}

/** Opens the list of sites; none of them may be flushed where it is empty. */
export function openFlush(settings: FlushSettings, { openTables, log, send }: FlushDeps): FlushSite {
  const title = "fast_flush_domains";
  const list = openTables.domains(settings[title], { parentMatches: parentMatches(settings, title), title });
  if (list === undefined) return () => "denied";
  return (site) =>
    then(list.matches(site), (match): MaybeAsync<FlushAnswer> => {
      if (match.is === "yes") return send(site);
      if (match.is === "no") return "denied";
      log.note("flush", "warning", `${title}: ${match.why}`);
      return "failed";
    });
}

/** The answer of all who were asked. */
export function together(answers: readonly FlushAnswer[]): FlushAnswer {
  if (answers.includes("failed")) return "failed";
  return answers.includes("denied") ? "denied" : "started";
}
