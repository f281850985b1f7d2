import type { OpenType, TableContext } from "./context.ts";
import { openCidr } from "./cidr.ts";
import { openPcre } from "./pcre.ts";
import { openRegexp } from "./regexp.ts";
import { openEnviron } from "./environ.ts";
import { openFail } from "./fail.ts";
import { openNis } from "./nis.ts";
import { openPipemap } from "./pipemap.ts";
import { openProxy } from "./proxy.ts";
import { openRandmap } from "./randmap.ts";
import { openUnionmap } from "./unionmap.ts";
import { openUnix } from "./unix.ts";
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
  environ: openEnviron,
  fail: openFail,
  hash: indexed("hash"),
  inline: openInline,
  lmdb: indexed("lmdb"),
  nis: openNis,
  pcre: openPcre,
  pipemap: openPipemap,
  proxy: openProxy,
  randmap: openRandmap,
  regexp: openRegexp,
  static: openStatic,
  texthash: openTexthash,
  unionmap: openUnionmap,
  unix: openUnix,
};

/**
 * Opens `type:name`. Never throws: what cannot be opened answers trouble to every lookup and is reported to `context.warn`
 * once (daemon_table_open_error_is_fatal = no).
 */
export function openTable(spec: string, context: TableContext): Table {
  const colon = spec.indexOf(":");
  const type = spec.slice(0, Math.max(colon, 0));
  const name = spec.slice(colon + 1);
  const refuse = (why: string) => {
    if (context.asPostmap !== true) context.warn(why);
    return unavailable(spec, why, false);
  };
  if (type === "" || name === "") {
    return refuse(`open dictionary: expecting "type:name" form instead of "${spec}"`);
  }
  if (!Object.hasOwn(TABLE_TYPES, type)) return refuse(`unsupported dictionary type: ${type}`);
  return TABLE_TYPES[type]!(name, spec, context, openTable);
}
