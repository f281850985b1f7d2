import { Database, type SQLQueryBindings, type Statement } from "bun:sqlite";
import { chmodSync, statSync } from "node:fs";
import { RecordStoreFault } from "./record_store.ts";

/** How much is kept; what comes beyond is not counted. */
export interface CountLimits {
  readonly groups: number;
  /** All keys of all groups. */
  readonly keys: number;
  readonly keysOfGroup: number;
}

/** So many more of a key in a group. */
export interface Count {
  readonly group: string;
  readonly key: string;
  readonly count: number;
}

/** How long a process waits for another one's write, in milliseconds. */
const TIME_LIMIT = 2000;

/**
 * Numbers by group and key in one file (SQLite, WAL) to which several processes add at once. A group can be worked on by one of
 * them at a time, for a while. A process that is killed leaves nothing half-written; a power failure may take back the last additions.
 */
export class CountStore {
  readonly #path: string;
  readonly #limits: CountLimits;
  readonly #db: Database;
  readonly #add: Statement<unknown, SQLQueryBindings[]>;
  readonly #put: Statement<unknown, SQLQueryBindings[]>;
  readonly #grow: Statement<unknown, SQLQueryBindings[]>;

  /** Opens the file, and makes it (for this user only) when there is none. */
  constructor(path: string, limits: CountLimits) {
    this.#path = path;
    this.#limits = limits;
    let db: Database | undefined;
    try {
      const isNew = statSync(path, { throwIfNoEntry: false }) === undefined;
      db = this.#db = new Database(path, { create: true, readwrite: true, strict: true });
      if (isNew) chmodSync(path, 0o600);
      for (const statement of SET_UP) db.run(statement);
      // What a process of an earlier release has added is in no size.
      db.transaction(() => SIZES.forEach((statement) => this.#db.run(statement))).immediate();
      this.#add = db.query("UPDATE counts SET n = n + ?3 WHERE grp = ?1 AND key = ?2");
      this.#put = db.query("INSERT INTO counts VALUES (?1, ?2, ?3)");
      this.#grow = db.query(
        "INSERT INTO sizes VALUES (?1, 1) ON CONFLICT (grp) DO UPDATE SET keys = keys + 1",
      );
    } catch (error) {
      db?.close();
      throw this.#fault(error);
    }
  }

  /** Adds them in one transaction. Answers how many found no room. */
  add(counts: readonly Count[]): number {
    return this.#guarded(() => this.#db.transaction(() => this.#addAll(counts)).immediate());
  }

  #addAll(counts: readonly Count[]): number {
    let groups: number | undefined;
    let keys: number | undefined;
    const rooms = new Map<string, number>();
    let lost = 0;
    for (const { group, key, count } of counts) {
      if (this.#add.run(group, key, count).changes > 0) continue;
      let room = rooms.get(group) ?? this.#limits.keysOfGroup - this.#number(KEYS_OF_GROUP, group);
      if (room === this.#limits.keysOfGroup) {
        groups ??= this.#number(ALL_GROUPS);
        if (++groups > this.#limits.groups) room = 0;
      }
      keys ??= this.#number(ALL_KEYS);
      if (keys >= this.#limits.keys) room = 0;
      if (room > 0) {
        this.#put.run(group, key, count);
        this.#grow.run(group);
        keys++;
      } else lost += count;
      rooms.set(group, room > 0 ? room - 1 : 0);
    }
    return lost;
  }

  #number(query: string, ...values: string[]): number {
    return this.#db.query<{ n: number }, string[]>(query).get(...values)!.n;
  }

  /** Groups before a name in their order, the first first, without those that are claimed at a moment. */
  groupsBefore(name: string, now: number, limit: number): readonly string[] {
    return this.#guarded(() =>
      this.#db.query<{ grp: string }, [string, number, number]>(GROUPS_BEFORE).all(name, now, limit)
        .map(({ grp }) => grp)
    );
  }

  counts(group: string): readonly Omit<Count, "group">[] {
    return this.#guarded(() => this.#db.query<Omit<Count, "group">, [string]>(COUNTS).all(group));
  }

  /** Takes a group for this process until a moment; false when another one has it. A note of earlier work comes along. */
  claim(group: string, now: number, until: number): { readonly note: string } | undefined {
    return this.#guarded(() => {
      this.#db.query("INSERT OR IGNORE INTO claims VALUES (?1, 0, '')").run(group);
      const taken = this.#db.query("UPDATE claims SET until = ?2 WHERE grp = ?1 AND until <= ?3").run(
        group,
        until,
        now,
      );
      if (taken.changes === 0) return undefined;
      return this.#db.query<{ note: string }, [string]>("SELECT note FROM claims WHERE grp = ?1").get(group)!;
    });
  }

  /** Writes down how far the work on a group is, and when it goes on. */
  note(group: string, note: string, until: number): void {
    this.#guarded(() =>
      this.#db.query("UPDATE claims SET note = ?2, until = ?3 WHERE grp = ?1").run(group, note, until)
    );
  }

  remove(group: string): void {
    this.#guarded(() =>
      this.#db.transaction(() => {
        this.#db.query("DELETE FROM counts WHERE grp = ?1").run(group);
        this.#db.query("DELETE FROM sizes WHERE grp = ?1").run(group);
        this.#db.query("DELETE FROM claims WHERE grp = ?1").run(group);
      }).immediate()
    );
  }

  close(): void {
    this.#db.close();
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#fault(error);
    }
  }

  #fault(error: unknown): RecordStoreFault {
    return new RecordStoreFault(this.#path, statSync(this.#path, { throwIfNoEntry: false })?.ino ?? 0, error);
  }
}

const SET_UP = [
  `PRAGMA busy_timeout = ${TIME_LIMIT}`,
  "PRAGMA journal_mode = WAL",
  "PRAGMA synchronous = NORMAL",
  "PRAGMA journal_size_limit = 4194304",
  "CREATE TABLE IF NOT EXISTS counts (grp TEXT, key TEXT, n INTEGER NOT NULL, PRIMARY KEY (grp, key)) WITHOUT ROWID",
  // How many keys a group has: to count them each time would be to read everything.
  "CREATE TABLE IF NOT EXISTS sizes (grp TEXT PRIMARY KEY, keys INTEGER NOT NULL) WITHOUT ROWID",
  "CREATE TABLE IF NOT EXISTS claims (grp TEXT PRIMARY KEY, until INTEGER NOT NULL, note TEXT NOT NULL) WITHOUT ROWID",
];

const SIZES = [
  "DELETE FROM sizes",
  "INSERT INTO sizes SELECT grp, count(*) FROM counts GROUP BY grp",
];

const KEYS_OF_GROUP = "SELECT total(keys) AS n FROM sizes WHERE grp = ?1";
const ALL_KEYS = "SELECT total(keys) AS n FROM sizes";
const ALL_GROUPS = "SELECT count(*) AS n FROM sizes";
const GROUPS_BEFORE = `SELECT grp FROM sizes
  WHERE grp < ?1 AND grp NOT IN (SELECT grp FROM claims WHERE until > ?2) ORDER BY grp LIMIT ?3`;
const COUNTS = "SELECT key, n AS count FROM counts WHERE grp = ?1";
