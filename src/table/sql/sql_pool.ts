import { systemClock } from "../../base/clock.ts";
import { WaitQueue } from "../../base/wait_queue.ts";
import type { SqlConnection } from "../../platform/database/sql_client.ts";
import { SqlFault } from "../../platform/database/sql_client.ts";

/** How many connections there are and how long they live. */
export interface SqlPoolOptions {
  /** Opens a connection, session prepared. */
  readonly connect: (signal: AbortSignal) => Promise<SqlConnection>;
  /** Lookups beyond that many wait for a connection. */
  readonly most: number;
  /** Milliseconds after which an idle connection is closed (idle_interval). */
  readonly idle: number;
}

interface Idle {
  readonly connection: SqlConnection;
  readonly cancel: () => void;
}

/** Connections to one server, for one statement at a time each. */
export class SqlPool {
  readonly #options: SqlPoolOptions;
  readonly #idle: Idle[] = [];
  readonly #waitQueue = new WaitQueue();
  #open = 0;
  #closed = false;

  constructor(options: SqlPoolOptions) {
    this.#options = options;
  }

  /**
   * Runs some work on a connection. A kept connection that proves to be dead (the server was restarted) is not the work's
   * failure: it is done again on a new one. After a failure or when `signal` gave up, the connection is not used again.
   */
  async use<Result>(
    signal: AbortSignal,
    work: (connection: SqlConnection) => Promise<Result>,
  ): Promise<Result> {
    await this.#turn(signal);
    const kept = this.#takeIdle();
    if (kept !== undefined) {
      try {
        return await this.#on(kept, signal, work);
      } catch (error) {
        if (!isLost(error) || signal.aborted) throw error;
        this.#dropIdle();
        await this.#turn(signal);
      }
    }
    return await this.#on(await this.#connect(signal), signal, work);
  }

  close(): void {
    this.#closed = true;
    this.#dropIdle();
    this.#waitQueue.end(closedPool());
  }

  async #on<Result>(
    connection: SqlConnection,
    signal: AbortSignal,
    work: (connection: SqlConnection) => Promise<Result>,
  ): Promise<Result> {
    const giveUp = () => connection.close();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      signal.throwIfAborted();
      return await work(connection);
    } catch (error) {
      if (!(error instanceof SqlFault) || error.is === "lost") connection.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
      this.#giveBack(connection);
    }
  }

  async #connect(signal: AbortSignal): Promise<SqlConnection> {
    try {
      return await this.#options.connect(signal);
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  /** Takes one of the places; where none is free, waits for its turn. */
  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#closed) throw closedPool();
    if (this.#open >= this.#options.most) return await this.#waitQueue.wait(signal);
    this.#open++;
  }

  /** The place goes to who has waited longest. */
  #free(): void {
    if (!this.#waitQueue.next()) this.#open--;
  }

  #takeIdle(): SqlConnection | undefined {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      kept.cancel();
      if (kept.connection.isOpen) return kept.connection;
    }
    return undefined;
  }

  #giveBack(connection: SqlConnection): void {
    if (this.#closed) connection.close();
    else if (connection.isOpen) {
      const cancel = systemClock.after(this.#options.idle, () => this.#expire(connection));
      this.#idle.push({ connection, cancel });
    }
    this.#free();
  }

  #expire(connection: SqlConnection): void {
    const at = this.#idle.findIndex((idle) => idle.connection === connection);
    if (at >= 0) this.#idle.splice(at, 1);
    connection.close();
  }

  #dropIdle(): void {
    for (const { connection, cancel } of this.#idle.splice(0)) {
      cancel();
      connection.close();
    }
  }
}

const closedPool = () => new SqlFault("lost", "the table is closed", "");

function isLost(error: unknown): boolean {
  return error instanceof SqlFault && error.is === "lost";
}
