import type { OpenType, TableContext } from "./context.ts";
import { openCidr } from "./cidr.ts";
import { openPcre } from "./pcre.ts";
import { openRegexp } from "./regexp.ts";
import { IndexedTable } from "./indexed.ts";
import { INDEX_FORMATS } from "./index_formats.ts";
import { openInline } from "./inline.ts";
import { openStatic } from "./static.ts";
import type { Table } from "./table.ts";
import { openTexthash } from "./texthash.ts";
import { unavailable } from "./unavailable.ts";

const indexed = (type: string): OpenType => (name, spec, context) =>
  new IndexedTable(name, spec, INDEX_FORMATS[type]!, context);

/** Every table type, by the word before the colon. */
export const TABLE_TYPES: Readonly<Record<string, OpenType>> = {
  btree: indexed("btree"),
  cdb: indexed("cdb"),
  cidr: openCidr,
  hash: indexed("hash"),
  inline: openInline,
  lmdb: indexed("lmdb"),
  pcre: openPcre,
  regexp: openRegexp,
  static: openStatic,
  texthash: openTexthash,
};

/**
 * Opens `type:name`. Never throws: what cannot be opened answers trouble to every lookup and is reported to `context.warn`
 * once (daemon_table_open_error_is_fatal = no).
 */
export function openTable(spec: string, context: TableContext): Table {
  const colon = spec.indexOf(":");
  const type = spec.slice(0, Math.max(colon, 0));
  const name = spec.slice(colon + 1);
  if (type === "" || name === "") {
    const why = `open dictionary: expecting "type:name" form instead of "${spec}"`;
    context.warn(why);
    return unavailable(spec, why, false);
  }
  if (!Object.hasOwn(TABLE_TYPES, type)) {
    context.warn(`unsupported dictionary type: ${type}`);
    return unavailable(spec, `unsupported dictionary type: ${type}`, false);
  }
  return TABLE_TYPES[type]!(name, spec, context, openTable);
}
