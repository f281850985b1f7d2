import { systemClock } from "../../base/clock.ts";
import { ConnectionPool, ExchangeFault, type Request } from "../../platform/socket/connection_pool.ts";
import type { ConnectTo } from "../../platform/socket/connection.ts";
import type { TableContext } from "../context.ts";
import { serverFault } from "./_exchange.ts";
import { readLine, type ReplyLimits, UnexpectedReply, valueReader } from "./memcache_reply.ts";
import { LookupFault } from "../remote/remote_table.ts";
import { excerpt } from "../remote/remote_text.ts";
import { Servers } from "../remote/servers.ts";

/** How a memcache server is talked to (memcache_table(5)); times in milliseconds. */
export interface MemcacheOptions {
  readonly to: ConnectTo;
  /** The server in messages. */
  readonly called: string;
  readonly flags: number;
  /** Seconds, or a time if over 30 days. */
  readonly ttl: number;
  readonly timeout: number;
  readonly maxTry: number;
  readonly retryPause: number;
  readonly limits: ReplyLimits;
}

/** Without `max_idle` of its own, a connection lives as long as a Postfix process would. */
const MAX_IDLE = 100_000;

/** The commands of the memcache protocol that tables need; each is tried again when it goes wrong. */
export class MemcacheClient {
  readonly #spec: string;
  readonly #options: MemcacheOptions;
  readonly #pool: ConnectionPool;
  readonly #servers: Servers<ConnectionPool>;

  constructor(
    spec: string,
    options: MemcacheOptions,
    context: Pick<TableContext, "clock" | "warn" | "asPostmap">,
  ) {
    const { to, timeout, called } = options;
    this.#spec = spec;
    this.#options = options;
    this.#pool = new ConnectionPool(to, { timeout, maxIdle: MAX_IDLE, maxTtl: Infinity });
    this.#servers = new Servers(spec, [this.#pool], context, { nameOf: () => called, order: "listed" });
  }

  /** The longest that a command can take. */
  get longest(): number {
    const { maxTry, timeout, retryPause } = this.#options;
    return maxTry * 2 * timeout + (maxTry - 1) * retryPause;
  }

  get(key: Buffer, signal?: AbortSignal): Promise<Buffer | undefined> {
    const { limits } = this.#options;
    return this.#command({
      bytes: command("get ", key),
      read: valueReader(limits),
      signal,
    });
  }

  async set(key: Buffer, value: Buffer, signal?: AbortSignal): Promise<void> {
    const { flags, ttl } = this.#options;
    const head = command("set ", key, ` ${flags} ${ttl} ${value.length}`);
    await this.#change(Buffer.concat([head, value, Buffer.from("\r\n")]), ["STORED"], signal);
  }

  /** Whether there was anything to delete. */
  async remove(key: Buffer, signal?: AbortSignal): Promise<boolean> {
    return await this.#change(command("delete ", key), ["DELETED", "NOT_FOUND"], signal) === "DELETED";
  }

  close(): void {
    this.#pool.close();
  }

  #change(bytes: Buffer, expected: readonly string[], signal: AbortSignal | undefined): Promise<string> {
    const read = (received: Buffer, seen: number) => {
      const line = readLine(received, this.#options.limits.line, 0, seen);
      if (line === undefined || expected.includes(line.reply)) return line;
      throw new UnexpectedReply(excerpt(line.reply, 30));
    };
    return this.#command({ bytes, read, signal });
  }

  #command<Reply>(request: Request<Reply>): Promise<Reply> {
    return this.#servers.ask((pool) => this.#tries(pool, request), request.signal);
  }

  /** A server that takes no connection is not tried again (memcache_table(5)). */
  async #tries<Reply>(pool: ConnectionPool, request: Request<Reply>): Promise<Reply> {
    const { maxTry, retryPause } = this.#options;
    for (let attempt = 1;; attempt++) {
      try {
        return await pool.exchange(request);
      } catch (error) {
        const isDown = error instanceof ExchangeFault && error.is === "no connection";
        if (request.signal?.aborted === true || isDown || attempt >= maxTry) throw this.#fault(error);
      }
      await pause(retryPause, request.signal);
    }
  }

  #fault(error: unknown): unknown {
    if (error instanceof ExchangeFault) return serverFault(error, this.#options.called);
    if (!(error instanceof UnexpectedReply)) return error;
    const name = this.#spec.slice(this.#spec.indexOf(":") + 1);
    if (error.isTooLong) {
      return new LookupFault(`database ${this.#spec}: I/O error: ${error.message}`, { isWhole: true });
    }
    return new LookupFault(`${name}: unexpected memcache server reply: ${error.message}`, { isWhole: true });
  }
}

function command(verb: string, key: Buffer, rest = ""): Buffer {
  return Buffer.concat([Buffer.from(verb), key, Buffer.from(`${rest}\r\n`)]);
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = systemClock.after(milliseconds, () => {
      signal?.removeEventListener("abort", giveUp);
      resolve();
    });
    const giveUp = () => {
      cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", giveUp, { once: true });
  });
}
