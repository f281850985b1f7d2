import { systemClock } from "../../base/clock.ts";
import {
  connectRedis,
  type RedisConnection,
  RedisFault,
  type RedisServer,
} from "../../platform/database/redis.ts";
import { LookupFault } from "../remote/remote_table.ts";
import { ServerFault } from "../remote/servers.ts";

/** Milliseconds without a lookup after which a connection is closed. */
const MAX_IDLE = 100_000;
/** The client gets this much longer than the time-out to say itself what is wrong. */
const GRACE = 500;

/** What a server says when it cannot answer now, where another one may. */
const NOT_NOW = new Set(["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOAUTH"]);

/** The connection to one Redis server, which all lookups share; a new one when it is gone. */
export class RedisLine {
  readonly name: string;
  readonly #server: RedisServer;
  readonly #timeout: number;
  #connecting: Promise<RedisConnection> | undefined;
  /** Connections on which a lookup waited too long. */
  readonly #late = new WeakSet<Promise<RedisConnection>>();

  constructor(name: string, server: RedisServer, timeout: number) {
    this.name = name;
    this.#server = server;
    this.#timeout = timeout;
  }

  /** Does some work within the time-out; once more when a kept connection proves to be dead, as after a restart of the server. */
  async use<Result>(work: (connection: RedisConnection) => Promise<Result>): Promise<Result> {
    const kept = this.#connecting;
    if (kept !== undefined) {
      try {
        return await this.#on(kept, work);
      } catch (error) {
        if (this.#late.has(kept)) throw this.#tooLate();
        if (!(error instanceof RedisFault && error.is === "lost")) throw faultOf(error);
      }
    }
    try {
      return await this.#on(this.#connect(), work);
    } catch (error) {
      throw faultOf(error);
    }
  }

  close(): void {
    this.#drop(this.#connecting);
  }

  #connect(): Promise<RedisConnection> {
    this.#connecting ??= connectRedis(this.#server, { timeout: this.#timeout, idle: MAX_IDLE });
    return this.#connecting;
  }

  async #on<Result>(
    connecting: Promise<RedisConnection>,
    work: (connection: RedisConnection) => Promise<Result>,
  ): Promise<Result> {
    const late = Promise.withResolvers<never>();
    const cancel = systemClock.after(this.#timeout + GRACE, () => {
      this.#late.add(connecting);
      late.reject(this.#tooLate());
    });
    try {
      return await Promise.race([connecting.then(work), late.promise]);
    } catch (error) {
      if (!(error instanceof RedisFault && error.is === "refused")) this.#drop(connecting);
      throw error;
    } finally {
      cancel();
    }
  }

  #tooLate(): ServerFault {
    return new ServerFault(`no answer within ${this.#timeout / 1000} seconds`);
  }

  /** A connection that failed one lookup is used by no other. */
  #drop(connecting: Promise<RedisConnection> | undefined): void {
    if (this.#connecting === connecting) this.#connecting = undefined;
    connecting?.then((connection) => connection.close(), () => {});
  }
}

function faultOf(error: unknown): unknown {
  if (!(error instanceof RedisFault)) return error;
  if (error.is === "lost" || NOT_NOW.has(error.word)) {
    return new ServerFault(error.message, { cause: error });
  }
  return new LookupFault(error.message, { cause: error, retry: false });
}
