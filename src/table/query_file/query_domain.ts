import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { type ListTables, type Match, openDomainList } from "../search/match_list.ts";
import type { QueryFile } from "./query_file.ts";
import { LookupFault } from "../remote/remote_table.ts";

/** Says whether a key is worth a lookup. */
export interface DomainFilter {
  admits(key: string): MaybeAsync<Match>;
  /** There is a list: only whole addresses come through, so no table needs to be asked for parts of them (DICT_FLAG_PATTERN). */
  readonly restricts: boolean;
  close(): void;
}

const YES: Match = { is: "yes" };
const NO: Match = { is: "no" };

/**
 * The `domain` attribute of a query file: a list of domains (`type:table` and `/file` too). Only addresses in one of them are
 * looked up; without the attribute every key is (pgsql_table(5), ldap_table(5), memcache_table(5)).
 */
export function openDomainFilter(file: QueryFile, tables: ListTables): DomainFilter {
  const text = file.text("domain");
  if (text === undefined) return { admits: () => YES, restricts: false, close: () => {} };
  const list = openDomainList(
    text,
    { parentMatches: false, exact: true, title: file.where("domain") },
    tables,
  );
  return {
    restricts: true,
    admits(key) {
      const at = key.lastIndexOf("@");
      return at < 1 || at === key.length - 1 ? NO : list.matches(key.slice(at + 1));
    },
    close: () => list.close(),
  };
}

/** Goes on when the filter admits a key, else gives `otherwise`; throws when the filter cannot tell. */
export function whenAdmitted<Result>(
  filter: DomainFilter,
  key: string,
  next: () => MaybeAsync<Result>,
  otherwise: Result,
): MaybeAsync<Result> {
  return then(filter.admits(key), (match) => {
    if (match.is === "trouble") {
      throw new LookupFault(`'domain' pattern match failed for '${key}': ${match.why}`);
    }
    return match.is === "yes" ? next() : otherwise;
  });
}
