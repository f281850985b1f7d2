import type { ConnectTo } from "../platform/socket/connection.ts";
import { type Connect, ConnectionPool, ExchangeFault } from "../platform/socket/connection_pool.ts";
import { systemErrorText } from "../platform/system_error.ts";

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

/** Longest reply, attributes together. */
const MAX_REPLY = 65_536;

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
  const { timeout, maxIdle, maxTtl, requestLimit } = options;
  const pool = new ConnectionPool(to, {
    timeout: timeout * 1000,
    maxIdle: maxIdle * 1000,
    maxTtl: maxTtl * 1000,
    ...(requestLimit > 0 && { requestLimit }),
    world,
  });
  return new Server(name.replace(/^(?:inet|unix):/, ""), pool, options, world);
}

class Server implements PolicyServer {
  readonly #name: string;
  readonly #pool: ConnectionPool;
  readonly #options: PolicyServerOptions;
  readonly #world: PolicyWorld;
  #closed = false;

  constructor(name: string, pool: ConnectionPool, options: PolicyServerOptions, world: PolicyWorld) {
    this.#name = name;
    this.#pool = pool;
    this.#options = options;
    this.#world = world;
  }

  async ask(request: string): Promise<PolicyReply> {
    const warnings: string[] = [];
    for (let attempt = 1;; attempt++) {
      try {
        return {
          is: "action",
          action: await this.#pool.exchange({ bytes: `${request}\n`, read: readAction }),
        };
      } catch (error) {
        warnings.push(...this.#warningsOf(error, attempt));
      }
      if (attempt >= this.#options.tryLimit || this.#closed) return { is: "failed", warnings };
      await this.#world.sleep(this.#options.retryDelay);
    }
  }

  close(): void {
    this.#closed = true;
    this.#pool.close();
  }

  /** A kept connection that the server has closed meanwhile, and the like, is worth a second try, not a word. */
  *#warningsOf(error: unknown, attempt: number): Generator<string> {
    const is = error instanceof ExchangeFault ? error.is : undefined;
    if (is === "no connection") yield `connect to ${this.#name}: ${systemErrorText(error)}`;
    if (error instanceof NoAction) yield `missing attribute action in input from ${this.#name}`;
    const isUsual = is === "hung up" || error instanceof NoAction;
    if (attempt > 1 || !isUsual) yield `problem talking to server ${this.#name}: ${reasonOf(error)}`;
  }
}

/** The server answers something else. */
class NoAction extends Error {}

const ACTION = "action=";

/** The action of a reply: attribute lines up to an empty one. */
function readAction(
  received: Buffer,
  seen: number,
): { readonly reply: string; readonly length: number } | undefined {
  if (received.length > MAX_REPLY) throw new Error("reply too long");
  // An empty line that has just become whole began at most two bytes earlier.
  const from = Math.max(seen - 2, 0);
  const end = (from === 0 ? /(?:^|\n)\r?\n/ : /\n\r?\n/).exec(received.toString("latin1", from));
  if (end === null) return undefined;
  const length = from + end.index + end[0].length;
  // Lines end in LF alone: what else ends a line elsewhere is no way to a second attribute within a value.
  const lines = received.toString("utf8", 0, length).split("\n");
  const action = lines.find((line) => line.startsWith(ACTION))?.slice(ACTION.length);
  if (action === undefined) throw new NoAction("Application error");
  return { reply: action.replace(/\r$/, "").replace(/\0.*/s, ""), length };
}

/** The end of a connection is no error to the system. */
function reasonOf(error: unknown): string {
  return error instanceof ExchangeFault && error.is === "hung up" && error.cause === undefined
    ? "Success"
    : systemErrorText(error);
}
