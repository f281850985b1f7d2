import { systemErrorText } from "../../platform/system_error.ts";
import type { TableContext } from "../context.ts";
import { LookupFault, TableClosed } from "./remote_table.ts";

/**
 * This server cannot be asked now, the next one may be: no connection, no answer within the time for one attempt (which has to
 * be shorter than the deadline of the whole lookup). Whatever else a question throws would be the same on every server.
 */
export class ServerFault extends Error {
  override readonly name = "ServerFault";
  /** What the operator reads when the server fails for the first time; default: table, server and message. */
  readonly warning: string | undefined;

  constructor(why: string, options: ErrorOptions & { readonly warning?: string } = {}) {
    super(why, options);
    this.warning = options.warning;
  }
}

/** How servers are chosen and how long one that failed is left alone. */
export interface ServersOptions<Server> {
  /** What a server is called in messages: without passwords. */
  readonly nameOf: (server: Server) => string;
  /** `listed`: always the first that works (ldap_table(5)). `random`: load is spread (mysql_table(5), pgsql_table(5)). */
  readonly order: "listed" | "random";
  /** Milliseconds for which a server is left alone after its first failure; doubles with each more. Default 1 s. */
  readonly firstRest?: number;
  /** Longest such rest. Default 60 s (mysql_table(5), pgsql_table(5)). */
  readonly longestRest?: number;
  /** From 0 up to 1. */
  readonly random?: () => number;
}

interface State<Server> {
  readonly server: Server;
  readonly name: string;
  failures: number;
  /** When it answered last. */
  workedAt: number;
  failedAt: number;
  /** Not asked before this time. */
  restsUntil: number;
  /** One lookup finds out whether a server that failed is back; the others do not wait for it. */
  tried: boolean;
  reason: string;
}

/**
 * Servers that hold the same data. One that fails is left alone for a time that grows, and when none is left the lookup fails
 * at once instead of running into a time-out each time.
 */
export class Servers<Server> {
  readonly #states: readonly State<Server>[];
  readonly #options: ServersOptions<Server>;
  readonly #context: Pick<TableContext, "clock" | "warn" | "asPostmap">;
  readonly #spec: string;

  constructor(
    spec: string,
    servers: readonly Server[],
    context: Pick<TableContext, "clock" | "warn" | "asPostmap">,
    options: ServersOptions<Server>,
  ) {
    this.#spec = spec;
    this.#context = context;
    this.#options = options;
    this.#states = servers.map((server) => ({
      server,
      name: options.nameOf(server),
      failures: 0,
      workedAt: -Infinity,
      failedAt: -Infinity,
      restsUntil: 0,
      tried: false,
      reason: "",
    }));
  }

  /**
   * Asks one server after the other until one does not throw a `ServerFault`; throws a LookupFault when none is left. A question
   * that is still open when `signal` is aborted (the deadline of the lookup) is a failure of the server it was put to.
   */
  async ask<Result>(question: (server: Server) => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    for (const state of this.#inOrder()) {
      if (!this.#mayBeAsked(state)) continue;
      const started = this.#context.clock();
      const isTrial = state.failures > 0;
      if (isTrial) state.tried = true;
      try {
        const result = await question(state.server);
        this.#worked(state);
        return result;
      } catch (error) {
        if (signal?.aborted === true) {
          if (!(signal.reason instanceof TableClosed)) this.#failed(state, faultOf(signal.reason), started);
          throw error;
        }
        if (!(error instanceof ServerFault)) throw error;
        this.#failed(state, error, started);
      } finally {
        if (isTrial) state.tried = false;
      }
    }
    throw new LookupFault(this.#allDown());
  }

  #mayBeAsked(state: State<Server>): boolean {
    return state.failures === 0 || (!state.tried && this.#context.clock() >= state.restsUntil);
  }

  /** A server that has rested long enough has its place among those that work: one lookup finds out whether it does. */
  #inOrder(): readonly State<Server>[] {
    const { order, random = Math.random } = this.#options;
    return order === "listed" || this.#states.length === 1 ? this.#states : shuffled(this.#states, random);
  }

  #worked(state: State<Server>): void {
    state.workedAt = this.#context.clock();
    if (state.failures === 0) return;
    state.failures = 0;
    this.#context.warn(`table ${this.#spec}: server ${state.name} answers again`);
  }

  /** Lookups side by side fail together: they count as one failure. A server that answered another one meanwhile is not down. */
  #failed(state: State<Server>, error: ServerFault, started: number): void {
    const now = this.#context.clock();
    if (state.workedAt > started) return;
    state.reason = error.message;
    if (started <= state.failedAt) return;
    state.failedAt = now;
    const { firstRest = 1000, longestRest = 60_000 } = this.#options;
    const rest = Math.min(firstRest * 2 ** Math.min(state.failures, 30), longestRest);
    state.failures++;
    state.restsUntil = now + rest;
    if (state.failures > 1 || (this.#context.asPostmap === true && error.warning === undefined)) return;
    this.#context.warn(error.warning ?? `table ${this.#spec}: server ${state.name}: ${state.reason}`);
  }

  #allDown(): string {
    const { length } = this.#states;
    return this.#states.map(({ name, reason }) =>
      length === 1 || reason === "" ? reason || name : `${name}: ${reason}`
    )
      .join("; ");
  }
}

const faultOf = (reason: unknown) =>
  reason instanceof ServerFault ? reason : new ServerFault(systemErrorText(reason), { cause: reason });

function shuffled<T>(given: readonly T[], random: () => number): readonly T[] {
  const items = [...given];
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [items[at], items[other]] = [items[other]!, items[at]!];
  }
  return items;
}
