import { Database } from "bun:sqlite";

/** SQLite did not do what it was asked. */
export class SqliteFault extends Error {
  override readonly name = "SqliteFault";
  /** `busy`: somebody else holds a lock, it may work in a moment. */
  readonly is: "busy" | "broken" | "refused";

  constructor(is: SqliteFault["is"], why: string, options?: ErrorOptions) {
    super(why, options);
    this.is = is;
  }
}

/** A database file open for reading. */
export interface SqliteFile {
  /** `UTF-8`, `UTF-16le` or `UTF-16be`: how the bytes of texts are meant. */
  readonly encoding: string;
  /** Names of the columns that a statement has. */
  columns(text: string): readonly string[];
  prepare(text: string): SqliteQuery;
  close(): void;
}

/** A prepared statement. */
export interface SqliteQuery {
  /** The first column of all rows, as the bytes of texts; null is NULL. */
  firstColumn(values: readonly (string | number)[]): readonly (Uint8Array | null)[];
}

/** The database file must be there already; nothing is ever written, and no lock is waited for. Throws a SqliteFault. */
export function openSqlite(path: string): SqliteFile {
  return guarded(() => {
    const database = new Database(path, { readonly: true });
    try {
      database.run("PRAGMA busy_timeout = 0");
      database.run("PRAGMA query_only = ON");
      database.run("PRAGMA trusted_schema = OFF");
      database.run("PRAGMA cell_size_check = ON");
      const encoding = String(database.prepare("PRAGMA encoding").values()[0]?.[0] ?? "UTF-8");
      return fileOf(database, encoding);
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

function fileOf(database: Database, encoding: string): SqliteFile {
  return {
    encoding,
    columns: (text) => guarded(() => database.prepare(text).columnNames),
    prepare(text) {
      const statement = guarded(() => database.prepare(text));
      return {
        firstColumn: (values) => guarded(() => statement.raw(...values).map(([first]) => first ?? null)),
      };
    },
    close: () => database.close(),
  };
}

/** Primary result codes (sqlite3.h). */
const [BUSY, LOCKED, IOERR, CORRUPT, CANTOPEN, PROTOCOL, NOTADB] = [5, 6, 10, 11, 14, 15, 26];

function guarded<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { errno } = error as { readonly errno?: unknown };
    const code = typeof errno === "number" ? errno & 0xff : 0;
    const is = [BUSY, LOCKED, PROTOCOL].includes(code)
      ? "busy"
      : [IOERR, CORRUPT, CANTOPEN, NOTADB].includes(code)
      ? "broken"
      : "refused";
    throw new SqliteFault(is, error instanceof Error ? error.message : String(error), { cause: error });
  }
}
