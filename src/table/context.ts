import type { SqlPools } from "./sql/sql_pools.ts";
import type { Table } from "./table.ts";

/** What a table gets from the world when it is opened. */
export interface TableContext {
  /** Relative file names are looked for here (config_directory); "" means the working directory. */
  readonly directory: string;
  /** A parameter's expanded value, for tables that have settings of their own (`lmdb_map_size`, `<name>_<attribute>`). */
  readonly parameter: (name: string) => string | undefined;
  /** Hears what the operator should know: an index older than its source, a rule that is skipped. Text without prefix. */
  readonly warn: (text: string) => void;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Files that master has read for processes that may not: the bytes of each, one a character, by its absolute path. */
  readonly lent?: Readonly<Record<string, string>>;
  /** Connections to SQL servers that tables share; each table has its own when left out. */
  readonly sqlPools?: SqlPools;
  /** What to open in place of a table, by its type and `type:name`; undefined: the table itself. */
  readonly standIn?: (type: string, spec: string) => Table | undefined;
  /** default_database_type: for commands that take bare file names. */
  readonly defaultType?: string;
  /** How to read the source of an index that is missing or old; found out from the text when not given. */
  readonly sourceFormat?: "map" | "alias";
  /**
   * Behave as postmap(1) instead of as a daemon: an index older than its source is served all the same, a key that stands
   * twice in a texthash file only earns a warning, and what cannot be opened is left to the caller to report.
   */
  readonly asPostmap?: boolean;
  /**
   * The table says what is run, where files are written or whose rights are used (`alias_maps`, `virtual_uid_maps`): tables
   * whose server proves nothing, and rules that put parts of the key into the value, are refused (DICT_FLAG_PARANOID).
   */
  readonly paranoid?: boolean;
  /** `latin1`: keys and values are bytes, one a character, and fold as ASCII (postmap -u). Default `utf8`. */
  readonly encoding?: "utf8" | "latin1";
  /** Fold keys to lower case; default true (postmap -f turns it off). */
  readonly fold?: boolean;
  /** Which forms of a key to try in an index: both (default), only with, only without terminating NUL (postmap -N, -n). */
  readonly nul?: "both" | "with" | "without";
}

/** Opens another table by its `type:name`; tables made of tables get it, so that no file imports the registry back. */
export type OpenTable = (spec: string, context: TableContext) => Table;

/** Opens one type's table: `name` is what follows the first colon of `spec`. */
export type OpenType = (name: string, spec: string, context: TableContext, open: OpenTable) => Table;

/** A file name as the context means it. */
export function resolvePath(name: string, context: TableContext): string {
  if (name.startsWith("/") || context.directory === "") return name;
  return `${context.directory.replace(/\/+$/, "")}/${name}`;
}
