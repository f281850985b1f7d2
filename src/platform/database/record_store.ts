import { Database, type SQLQueryBindings, type Statement } from "bun:sqlite";
import { chmodSync, rmSync, statSync } from "node:fs";

/** How long a process waits for another one's write, in milliseconds. Writes take microseconds, setting the file up takes longer. */
const TIME_LIMIT = 200;
const SET_UP_PATIENCE = 3000;
/** Rows between two looks at how many there are. */
const COUNT_EVERY = 256;

/** What is kept with a key: when it may go, and whether it is among the last to be dropped for lack of room. */
export interface KeptRecord {
  readonly value: string;
  readonly end: number;
  readonly precious: boolean;
}

/** A record store cannot do what was asked of it. `damaged`: what is in the file is not what was written. */
export class RecordStoreFault extends Error {
  override readonly name = "RecordStoreFault";
  readonly damaged: boolean;
  /** Which file it was, by its number in the file system. */
  readonly inode: number;
  constructor(path: string, inode: number, cause: unknown) {
    const { message, code } = cause as { message?: string; code?: string };
    super(`${path}: ${message ?? String(cause)}`, { cause });
    this.damaged = code !== undefined && /^SQLITE_(?:CORRUPT|NOTADB)/.test(code);
    this.inode = inode;
  }
}

function inodeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

/**
 * Small texts by key in one file (SQLite, WAL) that several processes read and write at once. A process that is killed leaves
 * no half-written record; a power failure may take back the last ones, never tear them. For what can be found out again.
 */
export class RecordStore {
  /** The file was not there before. */
  readonly isNew: boolean;
  readonly #path: string;
  readonly #most: number;
  readonly #db: Database;
  #inode: number;
  readonly #get: Statement<{ value: string }, SQLQueryBindings[]>;
  readonly #put: Statement<unknown, SQLQueryBindings[]>;
  readonly #delete: Statement<unknown, SQLQueryBindings[]>;
  readonly #count: Statement<{ n: number }, SQLQueryBindings[]>;
  readonly #sweep: Statement<unknown, SQLQueryBindings[]>;
  readonly #makeRoom: Statement<unknown, SQLQueryBindings[]>;
  #puts = 0;

  /** Opens the file, and makes it (for this user only) when there is none. At most about `most` records are kept. */
  constructor(path: string, most: number) {
    this.#path = path;
    this.#most = most;
    this.#inode = inodeOf(path);
    this.isNew = this.#inode === 0;
    let db: Database | undefined;
    try {
      db = this.#db = new Database(path, { create: true, readwrite: true, strict: true });
      if (this.isNew) chmodSync(path, 0o600);
      for (const statement of SET_UP) db.run(statement);
      this.#get = db.query("SELECT value FROM records WHERE key = ?1");
      this.#put = db.query("INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3, ?4)");
      this.#delete = db.query("DELETE FROM records WHERE key = ?1");
      this.#count = db.query("SELECT count(*) AS n FROM records");
      this.#sweep = db.query(SWEEP);
      this.#makeRoom = db.query(MAKE_ROOM);
      this.#inode = inodeOf(path);
    } catch (error) {
      db?.close();
      throw new RecordStoreFault(path, this.#inode, error);
    }
  }

  get(key: string): string | undefined {
    return this.#guarded(() => this.#get.get(key)?.value);
  }

  put(key: string, { value, end, precious }: KeptRecord): void {
    this.#guarded(() => {
      this.#put.run(key, value, precious ? 1 : 0, end);
      if (++this.#puts % COUNT_EVERY !== 0) return;
      const excess = this.#count.get()!.n - this.#most;
      if (excess > 0) this.#makeRoom.run(excess);
    });
  }

  /** All of them or none, in one transaction; keys that are there already stay as they are. */
  addAll(records: Iterable<readonly [key: string, record: KeptRecord]>): void {
    this.#guarded(() => {
      const add = this.#db.query("INSERT OR IGNORE INTO records VALUES (?1, ?2, ?3, ?4)");
      this.#db.transaction(() => {
        for (const [key, { value, end, precious }] of records) add.run(key, value, precious ? 1 : 0, end);
      })();
    });
  }

  delete(key: string): void {
    this.#guarded(() => this.#delete.run(key));
  }

  count(): number {
    return this.#guarded(() => this.#count.get()!.n);
  }

  /** Up to `limit` precious records that end between two moments, the first to end first. */
  preciousEnding(after: number, before: number, limit: number): readonly { key: string; value: string }[] {
    return this.#guarded(() =>
      this.#db.query<{ key: string; value: string }, [number, number, number]>(ENDING).all(
        after,
        before,
        limit,
      )
    );
  }

  /** Drops up to `limit` records whose end is before `now`; answers how many. */
  sweep(now: number, limit: number): number {
    return this.#guarded(() => this.#sweep.run(now, limit).changes);
  }

  close(): void {
    this.#db.close();
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw new RecordStoreFault(this.#path, this.#inode, error);
    }
  }
}

const SET_UP = [
  `PRAGMA busy_timeout = ${SET_UP_PATIENCE}`,
  "PRAGMA journal_mode = WAL",
  "PRAGMA synchronous = NORMAL",
  "PRAGMA journal_size_limit = 4194304",
  `CREATE TABLE IF NOT EXISTS records (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, precious INTEGER NOT NULL, until INTEGER NOT NULL
  ) WITHOUT ROWID`,
  "CREATE INDEX IF NOT EXISTS by_end ON records (precious, until)",
  `PRAGMA busy_timeout = ${TIME_LIMIT}`,
];

const SWEEP = `DELETE FROM records WHERE key IN (
  SELECT key FROM records WHERE precious IN (0, 1) AND until < ?1 LIMIT ?2
)`;

const ENDING = `SELECT key, value FROM records
  WHERE precious = 1 AND until > ?1 AND until <= ?2 ORDER BY until LIMIT ?3`;

const MAKE_ROOM = `DELETE FROM records WHERE key IN (
  SELECT key FROM records ORDER BY precious, until LIMIT ?1
)`;

/** Removes a store's files, unless another process has put a new one in their place. */
export function discardRecords(path: string, inode: number): void {
  if (inodeOf(path) !== inode) return;
  for (const suffix of ["-wal", "-shm", ""]) rmSync(path + suffix, { force: true });
}
