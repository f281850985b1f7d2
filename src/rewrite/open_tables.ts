import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { splitList, splitMatchList } from "../config/syntax/list.ts";
import type { OpenTable, TableContext } from "../table/context.ts";
import { type Maps, mapsOf } from "../table/search/maps.ts";
import {
  type AddressList,
  type DomainList,
  type MatchOptions,
  openAddressList,
  openDomainList,
} from "../table/search/match_list.ts";
import { openTable } from "../table/table_types.ts";
import type { Table } from "../table/table.ts";

/**
 * The open tables that rewriting, routing and access share: a table named in several places is opened once. Parameters that
 * are empty give undefined, so that nothing is asked for them.
 */
export interface OpenTables {
  table(spec: string): Table;
  maps(text: string, title: string): OpenMaps | undefined;
  domains(text: string, options: MatchOptions): DomainList | undefined;
  addresses(text: string, options: MatchOptions): AddressList | undefined;
  /** The same for tables that say what is run, where files are written or whose rights are used (DICT_FLAG_PARANOID). */
  readonly paranoid: Pick<OpenTables, "table" | "maps">;
  close(): void;
}

/** A list of tables, for whole addresses and for parts of them: pattern tables see only whole ones (virtual(5)). */
export interface OpenMaps {
  readonly title: string;
  readonly whole: Maps;
  readonly partial: Maps;
}

/** Opens tables on demand, with `open` where somebody wants to see what they are asked; `close` releases them all. */
export function createOpenTables(context: TableContext, open: OpenTable = openTable): OpenTables {
  const closers: (() => void)[] = [];
  const shared = tableSet(context, open);
  const paranoid = tableSet({ ...context, paranoid: true }, open);
  closers.push(shared.close, paranoid.close);
  const kept = <List extends { close(): void }>(list: List): List => {
    closers.push(() => list.close());
    return list;
  };
  return {
    table: shared.table,
    maps: shared.maps,
    paranoid,
    domains: (text, options) =>
      splitList(text).length === 0
        ? undefined
        : kept(openDomainList(text, options, { context, open: shared.lend })),
    addresses: (text, options) =>
      splitList(text).length === 0
        ? undefined
        : kept(openAddressList(text, options, { context, open: shared.lend })),
    close: () => closers.forEach((close) => close()),
  };
}

interface TableSet extends Pick<OpenTables, "table" | "maps" | "close"> {
  /** For lists, which close the tables that they open. */
  readonly lend: OpenTable;
}

/** Tables that are opened the same way. */
function tableSet(context: TableContext, open: OpenTable): TableSet {
  const tables = new Map<string, Table>();
  const table = (spec: string): Table => {
    const known = tables.get(spec);
    if (known !== undefined) return known;
    const opened = open(spec, context);
    tables.set(spec, opened);
    return opened;
  };
  return {
    table,
    lend: (spec) => lent(table(spec)),
    maps(text, title) {
      const opened = splitList(text).map(table);
      if (opened.length === 0) return undefined;
      const fixed = opened.filter((each) => !each.pattern);
      return { title, whole: mapsOf(opened, context, title), partial: mapsOf(fixed, context, title) };
    },
    close: () => tables.forEach((each) => each.close()),
  };
}

/** A table that somebody else closes. */
function lent(table: Table): Table {
  return { spec: table.spec, pattern: table.pattern, lookup: (key) => table.lookup(key), close: () => {} };
}

/** How lists of domains and hosts match. */
export const MATCH_PARAMETERS = [
  "parent_domain_matches_subdomains",
] as const satisfies readonly ParameterName[];

/** Whether a list or table feature is named in parent_domain_matches_subdomains (postconf(5)). */
export function parentMatches(
  settings: SettingsOf<typeof MATCH_PARAMETERS>,
  name: string,
): boolean {
  return splitMatchList(settings.parent_domain_matches_subdomains).items.includes(name);
}
