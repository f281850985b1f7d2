import { SqlPool, type SqlPoolOptions } from "./sql_pool.ts";

interface Shared {
  readonly pool: SqlPool;
  users: number;
}

/** The pools of a process: tables with the same server, login and session share connections. */
export class SqlPools {
  readonly #pools = new Map<string, Shared>();

  /** A pool for `key`, made by the first who asks; `release` it when it is no longer needed. */
  take(key: string, options: SqlPoolOptions): SqlPool {
    let shared = this.#pools.get(key);
    if (shared === undefined) {
      shared = { pool: new SqlPool(options), users: 0 };
      this.#pools.set(key, shared);
    }
    shared.users++;
    return shared.pool;
  }

  /** The last one closes it. */
  release(key: string): void {
    const shared = this.#pools.get(key);
    if (shared === undefined || --shared.users > 0) return;
    this.#pools.delete(key);
    shared.pool.close();
  }
}
