import { GatheredBytes } from "../../base/gathered_bytes.ts";
import { WaitQueue } from "../../base/wait_queue.ts";
import { connect, type Connection, type ConnectionHandler, type ConnectTo } from "./connection.ts";
import { errorCode, systemErrorText } from "../system_error.ts";

/** How to open a connection; `connect` is the real way. */
export type Connect = (
  to: ConnectTo,
  options: { readonly timeout: number; readonly signal?: AbortSignal },
  handlerOf: (connection: Connection) => ConnectionHandler,
) => Promise<Connection>;

/** Limits of a pool; times in milliseconds. */
export interface PoolOptions {
  /** To connect, and again for the reply, counted from the last byte. */
  readonly timeout: number;
  /** A connection that nobody uses is closed after this time. */
  readonly maxIdle: number;
  /** A connection is closed after the request in which it gets this old. */
  readonly maxTtl: number;
  /** Requests per connection; default no limit. */
  readonly requestLimit?: number;
  /** More requests than this at a time wait for a connection. Default 100. */
  readonly maxConnections?: number;
  /** How time is told and connections are opened; default the real way. */
  readonly world?: { readonly connect: Connect; clock(): number };
}

/** What became of a request that got no reply. */
export class ExchangeFault extends Error {
  override readonly name = "ExchangeFault";
  /** `hung up`: the server ended the connection; on a kept one that may have been before the request, which is worth a second try. */
  readonly is: "no connection" | "hung up" | "timed out" | "broken";

  constructor(is: ExchangeFault["is"], why: string, options?: ErrorOptions) {
    super(why, options);
    this.is = is;
  }
}

/** A reply, how many bytes it takes, and whether the connection is of no use after it. */
export interface Reading<Reply> {
  readonly reply: Reply;
  readonly length: number;
  readonly isLast?: boolean;
}

/**
 * Finds a reply at the start of what has come in; undefined when more has to come. Earlier calls have `seen` so many bytes of it: they
 * need not be searched again. A throw ends the request and the connection.
 */
export type ReadReply<Reply> = (received: Buffer, seen: number) => Reading<Reply> | undefined;

/** Something to say to a server: the bytes, how its reply is read, and who may give up on it. */
export interface Request<Reply> {
  readonly bytes: string | Uint8Array;
  readonly read: ReadReply<Reply>;
  readonly signal?: AbortSignal | undefined;
}

const REAL_WORLD = { connect, clock: Date.now };

/**
 * Connections to one server that answers each request with one reply: requests run side by side, each on a connection of its
 * own; connections are kept for the next request. What comes in that nobody asked for ends a connection.
 */
export class ConnectionPool {
  readonly #to: ConnectTo;
  readonly #options: PoolOptions;
  readonly #world: { readonly connect: Connect; clock(): number };
  readonly #idle: Channel[] = [];
  readonly #waitQueue = new WaitQueue();
  #open = 0;
  #closed = false;

  constructor(to: ConnectTo, options: PoolOptions) {
    this.#to = to;
    this.#options = options;
    this.#world = options.world ?? REAL_WORLD;
  }

  /** The reply; rejects with an ExchangeFault, with what `read` threw, or with the signal's reason. */
  async exchange<Reply>(request: Request<Reply>): Promise<Reply> {
    const { signal } = request;
    const channel = this.#idleChannel() ?? await this.#newChannel(signal);
    if (signal?.aborted === true) {
      this.#put(channel);
      throw signal.reason;
    }
    const giveUp = () => channel.abandon(signal?.reason);
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      return await channel.exchange(request, this.#options.timeout);
    } finally {
      signal?.removeEventListener("abort", giveUp);
      this.#put(channel);
    }
  }

  /** Ends the connections that rest and the waiting for one; a request under way ends as it would, and its connection with it. */
  close(): void {
    this.#closed = true;
    for (const channel of this.#idle.splice(0)) channel.destroy();
    this.#waitQueue.end(closedPool());
  }

  #put(channel: Channel): void {
    if (this.#isGoodForMore(channel)) {
      channel.rest(this.#options.maxIdle);
      this.#idle.push(channel);
    } else {
      this.#open--;
      channel.destroy();
    }
    this.#waitQueue.next();
  }

  #isGoodForMore(channel: Channel): boolean {
    const { requestLimit = Infinity, maxTtl } = this.#options;
    return !this.#closed && channel.isOpen && channel.requests < requestLimit &&
      this.#world.clock() - channel.since < maxTtl;
  }

  #idleChannel(): Channel | undefined {
    for (let channel = this.#idle.pop(); channel !== undefined; channel = this.#idle.pop()) {
      if (channel.isOpen) return channel;
      this.#open--;
    }
    return undefined;
  }

  /** A new connection, or one that comes free while all are busy. */
  async #newChannel(signal: AbortSignal | undefined): Promise<Channel> {
    const { maxConnections = 100 } = this.#options;
    while (!this.#closed && this.#open >= maxConnections) {
      await this.#waitQueue.wait(signal);
      const idle = this.#idleChannel();
      if (idle !== undefined) return idle;
    }
    if (this.#closed) throw closedPool();
    this.#open++;
    try {
      return await Channel.open(
        this.#to,
        { timeout: this.#options.timeout, ...(signal !== undefined && { signal }) },
        this.#world,
      );
    } catch (error) {
      this.#open--;
      this.#waitQueue.next();
      throw error;
    }
  }
}

const closedPool = () => new ExchangeFault("broken", "the pool is closed");

function brokenBy(error: Error | undefined): ExchangeFault {
  if (error === undefined) return new ExchangeFault("hung up", "unexpected disconnect");
  const is = ["ECONNRESET", "EPIPE"].includes(errorCode(error)) ? "hung up" : "broken";
  return new ExchangeFault(is, systemErrorText(error), { cause: error });
}

/** The request under way on a connection: `take` answers whether the reply is whole. */
interface Pending {
  take(received: Buffer): boolean;
  fail(error: unknown): void;
}

/** One connection and the request under way on it. */
class Channel implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #received = new GatheredBytes();
  readonly since: number;
  requests = 0;
  isOpen = true;
  #pending: Pending | undefined;

  private constructor(connection: Connection, since: number) {
    this.#connection = connection;
    this.since = since;
  }

  static async open(
    to: ConnectTo,
    options: Parameters<Connect>[1],
    world: { readonly connect: Connect; clock(): number },
  ): Promise<Channel> {
    const opened = Promise.withResolvers<Channel>();
    try {
      await world.connect(to, options, (connection) => {
        const channel = new Channel(connection, world.clock());
        opened.resolve(channel);
        return channel;
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new ExchangeFault("no connection", systemErrorText(error), { cause: error });
    }
    return await opened.promise;
  }

  exchange<Reply>({ bytes, read }: Request<Reply>, timeout: number): Promise<Reply> {
    this.requests++;
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(brokenBy(undefined));
      let seen = 0;
      this.#pending = {
        fail: reject,
        take: (received) => {
          const found = read(received, seen);
          seen = received.length;
          if (found === undefined) return false;
          if (found.isLast === true || found.length < received.length) this.destroy();
          resolve(found.reply);
          return true;
        },
      };
      this.#connection.setTimeout(timeout);
      this.#connection.write(bytes);
    });
  }

  /** Closes itself when nothing is asked for that long. */
  rest(milliseconds: number): void {
    this.#connection.setTimeout(milliseconds);
  }

  /** Nobody waits for the reply any more. */
  abandon(reason: unknown): void {
    this.#fail(reason);
  }

  destroy(): void {
    this.isOpen = false;
    this.#connection.destroy();
  }

  data(chunk: Buffer): void {
    const pending = this.#pending;
    if (pending === undefined) return this.destroy();
    try {
      this.#received.add(chunk);
      if (!pending.take(this.#received.bytes)) return;
      this.#pending = undefined;
      this.#received.clear();
    } catch (error) {
      this.#fail(error);
    }
  }

  end(): void {
    this.#fail(brokenBy(undefined));
  }

  drain(): void {}

  timeout(): void {
    this.#fail(new ExchangeFault("timed out", "Connection timed out"));
  }

  close(error: NodeJS.ErrnoException | undefined): void {
    this.#fail(brokenBy(error));
  }

  #fail(error: unknown): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.destroy();
    pending?.fail(error);
  }
}
