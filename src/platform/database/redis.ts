import type { RedisClient } from "bun";
import { connect, type ConnectTo } from "../socket/connection.ts";
import { systemErrorText } from "../system_error.ts";

/** A Redis server and how to log in there. */
export interface RedisServer {
  readonly to: ConnectTo;
  readonly user?: string;
  readonly password?: string;
  readonly database: number;
  readonly tls?: RedisTls;
}

/** How a connection over TCP is protected. */
export interface RedisTls {
  /** PEM of the authorities to believe. */
  readonly ca: string;
  readonly verify: boolean;
  readonly cert?: string;
  readonly key?: string;
}

/** A reply of RESP3, as far as lookups meet them. Bytes that are no UTF-8 come as U+FFFD, but for `get`. */
export type RedisReply = string | number | boolean | null | readonly RedisReply[];

/** The server did not do what it was asked. */
export class RedisFault extends Error {
  override readonly name = "RedisFault";
  /** `lost`: there is no connection (any more); `refused`: the server says no to the command. */
  readonly is: "lost" | "refused";
  /** The word that a refusal begins with, its kind by the protocol: ERR, LOADING, NOAUTH; "" when it has none. */
  readonly word: string;

  constructor(is: RedisFault["is"], why: string, options?: ErrorOptions) {
    super(why, options);
    this.is = is;
    this.word = is === "refused" ? /^[A-Z]+\b/.exec(why)?.[0] ?? "" : "";
  }
}

/** A connection; commands side by side share it. */
export interface RedisConnection {
  readonly isOpen: boolean;
  send(words: readonly string[]): Promise<RedisReply>;
  /** A value of GET as the server has it. */
  get(key: string): Promise<Uint8Array | null>;
  /** Commands under way fail. */
  close(): void;
}

/**
 * Connects, logs in and chooses the database: a command that waits for the connection hears why there is none, where connecting
 * by itself does not say it. Takes at most `timeout` milliseconds; the connection closes itself after `idle` milliseconds of rest.
 */
export async function connectRedis(
  server: RedisServer,
  options: { readonly timeout: number; readonly idle: number },
): Promise<RedisConnection> {
  const client = new Bun.RedisClient(urlOf(server), {
    connectionTimeout: options.timeout,
    idleTimeout: options.idle,
    autoReconnect: false,
    ...(server.tls !== undefined && { tls: tlsOf(server.tls) }),
  });
  const connection = new BunRedis(client);
  try {
    await client.send("SELECT", [String(server.database)]);
  } catch (error) {
    client.close();
    throw new RedisFault("lost", await reasonOf(error, server, options.timeout), { cause: error });
  }
  return connection;
}

function urlOf({ to, user = "", password, tls }: RedisServer): string {
  const login = password === undefined ? "" : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  if ("path" in to) return `redis+unix://${login}${to.path}`;
  const host = to.host.includes(":") ? `[${to.host}]` : to.host;
  return `${tls === undefined ? "redis" : "rediss"}://${login}${host}:${to.port}`;
}

function tlsOf({ ca, verify, cert, key }: RedisTls) {
  return {
    ca,
    rejectUnauthorized: verify,
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

/**
 * Of a connection that is refused, or that TLS ends, the client says only that it is closed (Bun 1.4.5). What the system says of
 * the address tells these apart.
 */
async function reasonOf(error: unknown, { to, tls }: RedisServer, timeout: number): Promise<string> {
  const code = codeOf(error);
  if (code === "ERR_REDIS_AUTHENTICATION_FAILED" && systemErrorText(error).startsWith("NOAUTH")) {
    return "the server asks for a password";
  }
  if (code.startsWith("ERR_REDIS_INVALID_RESPONSE")) return "the server does not answer as Redis does";
  if (code !== CLOSED && code !== "ERR_REDIS_CONNECTION_TIMEOUT") return systemErrorText(error);
  try {
    const probe = await connect(to, { timeout }, () => SILENT);
    probe.destroy();
  } catch (refusal) {
    return systemErrorText(refusal);
  }
  return tls === undefined
    ? "the server does not answer, or not as Redis does"
    : "the server does not answer over TLS, or its certificate is not trusted";
}

const SILENT = { data() {}, end() {}, drain() {}, timeout() {}, close() {} };

const CLOSED = "ERR_REDIS_CONNECTION_CLOSED";

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

class BunRedis implements RedisConnection {
  readonly #client: RedisClient;
  isOpen = true;

  constructor(client: RedisClient) {
    this.#client = client;
    client.onclose = () => void (this.isOpen = false);
  }

  async send(words: readonly string[]): Promise<RedisReply> {
    const [command = "", ...rest] = words;
    return await this.#said(this.#client.send(command, rest));
  }

  async get(key: string): Promise<Uint8Array | null> {
    return await this.#said(this.#client.getBuffer(key));
  }

  close(): void {
    this.isOpen = false;
    this.#client.close();
  }

  async #said<Reply>(reply: Promise<Reply>): Promise<Reply> {
    try {
      return await reply;
    } catch (error) {
      if (codeOf(error) === CLOSED) {
        this.isOpen = false;
        throw new RedisFault("lost", "unexpected disconnect", { cause: error });
      }
      throw new RedisFault("refused", systemErrorText(error), { cause: error });
    }
  }
}
