import type { Connection, ConnectionHandler, ConnectTo } from "../platform/connection.ts";

/** How to open a connection; `connect` of platform/connection.ts. */
export type Connect = (
  to: ConnectTo,
  options: { readonly timeout: number },
  handlerOf: (connection: Connection) => ConnectionHandler,
) => Promise<Connection>;

/** How a policy server is talked to (smtpd_policy_service_*); times in seconds. */
export interface PolicyServerOptions {
  readonly timeout: number;
  readonly maxIdle: number;
  readonly maxTtl: number;
  /** Requests per connection; 0 = no limit. */
  readonly requestLimit: number;
  readonly tryLimit: number;
  readonly retryDelay: number;
}

/** The action that a server answers, or why there is none. */
export type PolicyReply = { readonly is: "action"; readonly action: string } | {
  readonly is: "failed";
  readonly warnings: readonly string[];
};

/** Sends requests of the policy delegation protocol (SMTPD_POLICY_README). */
export interface PolicyServer {
  /** `request` is all attribute lines, without the empty one at the end. */
  ask(request: string): Promise<PolicyReply>;
  close(): void;
}

/** Connections to one server; more requests than that wait for one to come free. */
const MAX_CONNECTIONS = 100;
/** Longest reply, attributes together. */
const MAX_REPLY = 65_536;

/** Where a server is: `inet:host:port`, `inet:port`, `unix:path` (relative to the queue directory); undefined if malformed. */
export function policyEndpoint(spec: string, queueDirectory: string): ConnectTo | undefined {
  const unix = /^unix:(.+)$/.exec(spec);
  if (unix !== null) return { path: unix[1].startsWith("/") ? unix[1] : `${queueDirectory}/${unix[1]}` };
  const inet = /^inet:(?:(?:\[([^\]]+)\]|([^:[\]]*)):)?(\d+)$/.exec(spec);
  if (inet === null || Number(inet[3]) > 65_535) return undefined;
  const host = inet[1]?.replace(/^ipv6:/i, "") ?? inet[2] ?? "";
  return { host: host === "" ? "localhost" : host, port: Number(inet[3]) };
}

/** The world that a pool needs. */
export interface PolicyWorld {
  readonly connect: Connect;
  /** Milliseconds; only differences count. */
  clock(): number;
  sleep(seconds: number): Promise<void>;
}

/** A pool of connections to one server: requests run side by side, connections are kept for the next. */
export function createPolicyServer(
  name: string,
  to: ConnectTo,
  options: PolicyServerOptions,
  world: PolicyWorld,
): PolicyServer {
  return new Pool(name, to, options, world);
}

class Pool implements PolicyServer {
  readonly #name: string;
  readonly #to: ConnectTo;
  readonly #options: PolicyServerOptions;
  readonly #world: PolicyWorld;
  readonly #idle: Channel[] = [];
  readonly #waiting: (() => void)[] = [];
  #open = 0;
  #closed = false;

  constructor(name: string, to: ConnectTo, options: PolicyServerOptions, world: PolicyWorld) {
    this.#name = name.replace(/^(?:inet|unix):/, "");
    this.#to = to;
    this.#options = options;
    this.#world = world;
  }

  async ask(request: string): Promise<PolicyReply> {
    const warnings: string[] = [];
    for (let attempt = 1;; attempt++) {
      try {
        return { is: "action", action: await this.#once(`${request}\n`) };
      } catch (error) {
        if (error instanceof NoConnection) warnings.push(`connect to ${this.#name}: ${error.message}`);
        if (error instanceof NoAction) warnings.push(`missing attribute action in input from ${this.#name}`);
        if (attempt > 1 || !isUsual(error)) {
          warnings.push(`problem talking to server ${this.#name}: ${reasonOf(error)}`);
        }
      }
      if (attempt >= this.#options.tryLimit || this.#closed) return { is: "failed", warnings };
      await this.#world.sleep(this.#options.retryDelay);
    }
  }

  close(): void {
    this.#closed = true;
    for (const channel of this.#idle.splice(0)) channel.destroy();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #once(request: string): Promise<string> {
    const channel = await this.#take();
    let keep = false;
    try {
      const action = await channel.exchange(request, this.#options.timeout * 1000);
      keep = this.#isGoodForMore(channel);
      return action;
    } finally {
      if (keep) this.#idle.push(channel);
      else {
        this.#open--;
        channel.destroy();
      }
      this.#waiting.shift()?.();
    }
  }

  #isGoodForMore(channel: Channel): boolean {
    const { requestLimit, maxTtl, maxIdle } = this.#options;
    if (this.#closed || !channel.isOpen) return false;
    if (requestLimit > 0 && channel.requests >= requestLimit) return false;
    channel.restFor(maxIdle * 1000);
    return this.#world.clock() - channel.since < maxTtl * 1000;
  }

  /** An idle connection that is still good, or a new one; waits while all are busy. */
  async #take(): Promise<Channel> {
    for (;;) {
      for (let channel = this.#idle.pop(); channel !== undefined; channel = this.#idle.pop()) {
        if (channel.isOpen) return channel;
        this.#open--;
      }
      if (this.#closed) throw new Error("the policy is closed");
      if (this.#open < MAX_CONNECTIONS) break;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#open++;
    try {
      return await Channel.open(this.#to, this.#options.timeout * 1000, this.#world);
    } catch (error) {
      this.#open--;
      this.#waiting.shift()?.();
      throw new NoConnection(reasonOf(error), { cause: error });
    }
  }
}

/** The server cannot be reached. */
class NoConnection extends Error {}

/** The server closed the connection. */
class HungUp extends Error {}

/** The server answers something else. */
class NoAction extends Error {}

/** One connection and the request under way on it. */
class Channel implements ConnectionHandler {
  readonly #connection: Connection;
  readonly since: number;
  requests = 0;
  isOpen = true;
  #buffer = "";
  #decoder = new TextDecoder();
  #settle: { resolve(action: string): void; reject(error: Error): void } | undefined;

  private constructor(connection: Connection, since: number) {
    this.#connection = connection;
    this.since = since;
  }

  static async open(to: ConnectTo, timeout: number, world: PolicyWorld): Promise<Channel> {
    let channel: Channel | undefined;
    await world.connect(to, { timeout }, (connection) => channel = new Channel(connection, world.clock()));
    if (channel === undefined) throw new Error("no connection");
    return channel;
  }

  exchange(request: string, timeout: number): Promise<string> {
    this.requests++;
    this.#connection.setTimeout(timeout);
    this.#buffer = "";
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#connection.write(request);
    });
  }

  /** Closes itself when nothing is asked for that long. */
  restFor(milliseconds: number): void {
    this.#connection.setTimeout(milliseconds);
  }

  destroy(): void {
    this.isOpen = false;
    this.#connection.destroy();
  }

  data(chunk: Buffer): void {
    this.#buffer += this.#decoder.decode(chunk, { stream: true });
    if (this.#buffer.length > MAX_REPLY) return this.#fail(new Error("reply too long"));
    const end = this.#buffer.search(/(?:^|\n)\r?\n/);
    if (end < 0) return;
    const action = /^action=(.*?)\r?$/m.exec(this.#buffer.slice(0, end));
    if (action === null) return this.#fail(new NoAction("Application error"));
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve(action[1]);
  }

  end(): void {
    this.#fail(new HungUp("Success"));
  }

  drain(): void {}

  timeout(): void {
    this.#fail(new Error("Connection timed out"));
  }

  close(error: NodeJS.ErrnoException | undefined): void {
    this.#fail(error ?? new HungUp("Success"));
  }

  #fail(error: Error): void {
    const settle = this.#settle;
    this.#settle = undefined;
    this.destroy();
    settle?.reject(error);
  }
}

/** A kept connection that the server has closed meanwhile, and the like: worth a second try, not a word. */
function isUsual(error: unknown): boolean {
  return error instanceof NoAction || error instanceof HungUp ||
    (error instanceof Error && "code" in error && (error.code === "EPIPE" || error.code === "ECONNRESET"));
}

const SYSTEM_TEXT: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ENOENT: "No such file or directory",
  ETIMEDOUT: "Connection timed out",
  EACCES: "Permission denied",
  ECONNRESET: "Connection reset by peer",
  EPIPE: "Broken pipe",
};

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : "";
  return SYSTEM_TEXT[code] ?? error.message;
}
