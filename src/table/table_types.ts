import type { OpenType, TableContext } from "./context.ts";
import { openCidr } from "./pattern/cidr.ts";
import { openPcre } from "./pattern/pcre.ts";
import { openRegexp } from "./pattern/regexp.ts";
import { openEnviron } from "./plain/environ.ts";
import { openFail } from "./plain/fail.ts";
import { openInternal } from "./plain/internal.ts";
import { openLdap } from "./ldap/ldap.ts";
import { openMysql } from "./sql/mysql.ts";
import { openMemcache } from "./network/memcache.ts";
import { openNis } from "./plain/nis.ts";
import { openPgsql } from "./sql/pgsql.ts";
import { openPipemap } from "./composed/pipemap.ts";
import { openProxy } from "./composed/proxy.ts";
import { openRandmap } from "./composed/randmap.ts";
import { openRedis } from "./network/redis.ts";
import { openUnionmap } from "./composed/unionmap.ts";
import { openUnix } from "./plain/unix.ts";
import { IndexedTable } from "./index/indexed.ts";
import { INDEX_FORMATS, type IndexFormat } from "./index/index_formats.ts";
import { openInline } from "./plain/inline.ts";
import { openSocketmap } from "./network/socketmap.ts";
import { openSqliteTable } from "./sql/sqlite.ts";
import { openStatic } from "./plain/static.ts";
import type { Table } from "./table.ts";
import { openTcp } from "./network/tcp.ts";
import { openTexthash } from "./text/texthash.ts";
import { shownSpec } from "./shown_spec.ts";
import { unavailable } from "./unavailable.ts";

/** A table type: all that the rest of the program wants to know of it. */
export interface TableType {
  readonly open: OpenType;
  /** How its file is made, for the types that postmap(1) makes. */
  readonly index?: IndexFormat;
  /** Answers from files and words of the configuration alone: `mta check` may ask it. */
  readonly local?: boolean;
  /** Asks another program or host, or a file that another program may lock; tables made of tables do as their members do. */
  readonly asksOthers?: boolean;
  /** Its file, or the file it is made from, is a text of keys and values, which can be read for keys that never match. */
  readonly keyed?: boolean;
  /** Its server deletes keys (postmap -d). */
  readonly removes?: boolean;
  /** Of a deletion it says that there is none, where other types cannot be opened for writing (postmap -d). */
  readonly writable?: boolean;
}

const indexed = (index: IndexFormat): TableType => ({
  open: (name, spec, context) => new IndexedTable(name, spec, index, context),
  index,
  local: true,
  keyed: true,
});

/** Every table type, by the word before the colon; those with an index are the rows of INDEX_FORMATS. */
export const TABLE_TYPES: Readonly<Record<string, TableType>> = {
  ...Object.fromEntries(Object.values(INDEX_FORMATS).map((format) => [format.type, indexed(format)])),
  cidr: { open: openCidr, local: true },
  environ: { open: openEnviron, writable: true },
  fail: { open: openFail },
  inline: { open: openInline, local: true },
  internal: { open: openInternal, writable: true },
  ldap: { open: openLdap, asksOthers: true },
  mysql: { open: openMysql, asksOthers: true },
  memcache: { open: openMemcache, asksOthers: true, removes: true },
  nis: { open: openNis, asksOthers: true },
  pcre: { open: openPcre, local: true },
  pgsql: { open: openPgsql, asksOthers: true },
  pipemap: { open: openPipemap },
  proxy: { open: openProxy },
  randmap: { open: openRandmap, local: true },
  redis: { open: openRedis, asksOthers: true },
  regexp: { open: openRegexp, local: true },
  socketmap: { open: openSocketmap, asksOthers: true },
  sqlite: { open: openSqliteTable, asksOthers: true },
  static: { open: openStatic, local: true, writable: true },
  tcp: { open: openTcp, asksOthers: true },
  texthash: { open: openTexthash, local: true, keyed: true },
  unionmap: { open: openUnionmap },
  unix: { open: openUnix },
};

/** The row of a type, if there is such a type. */
export function tableType(type: string): TableType | undefined {
  return Object.hasOwn(TABLE_TYPES, type) ? TABLE_TYPES[type] : undefined;
}

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
    return refuse(`open dictionary: expecting "type:name" form instead of "${shownSpec(spec)}"`);
  }
  const instead = context.standIn?.(type, spec);
  if (instead !== undefined) return instead;
  const row = tableType(type);
  if (row === undefined) return refuse(`unsupported dictionary type: ${type}`);
  return row.open(name, spec, context, openTable);
}

/** Whether a table of this type answers without asking anybody; an unknown type has no answer but trouble. */
export function isInProcess(type: string): boolean {
  return tableType(type)?.asksOthers !== true;
}
