import { systemClock } from "../../base/clock.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { TableContext } from "../context.ts";
import { foldingOf } from "../text/fold.ts";
import type { Answer, Table } from "../table.ts";

/** A lookup that could not be made: the server does not answer (worth a retry) or refuses the question (not). */
export class LookupFault extends Error {
  override readonly name = "LookupFault";
  readonly retry: boolean;
  /** The message says all, the table's name too; else it is a reason to be put behind the name. */
  readonly isWhole: boolean;

  constructor(
    why: string,
    options: ErrorOptions & { readonly retry?: boolean; readonly isWhole?: boolean } = {},
  ) {
    super(why, options);
    this.retry = options.retry ?? true;
    this.isWhole = options.isWhole ?? false;
  }
}

/** Nobody wants the answer any more: no fault of the server's. */
export class TableClosed extends LookupFault {
  constructor() {
    super("the table is closed");
  }
}

/**
 * Asks the server for one key, folded already. Throws (or rejects with) whatever went wrong: it becomes trouble. It must settle
 * soon after `signal` is aborted; until then it counts as a lookup that is under way.
 */
export type Ask = (key: string, signal: AbortSignal) => MaybeAsync<Answer>;

/** What varies between remote tables. */
export interface RemoteOptions {
  /** Milliseconds for a whole lookup: waiting for a connection, all servers tried, all attempts. */
  readonly deadline: number;
  /** Different keys that are looked up at a time; one more is trouble at once. Default 1000. */
  readonly limit?: number;
  /** The server sees whole keys only, no parts of addresses and names (DICT_FLAG_PATTERN). */
  readonly pattern?: boolean;
  /** The server gets keys as they are, not folded to lower case: it may have its own mind about them. */
  readonly asWritten?: boolean;
  /** Ends connections. */
  readonly close?: () => void;
}

const LOOKUPS_AT_A_TIME = 1000;

/**
 * The table of a server: identical lookups that are under way are asked once, their number and their time are bounded, and
 * what goes wrong is trouble that names the table and the reason.
 */
export function remoteTable(
  spec: string,
  context: Pick<TableContext, "fold" | "encoding">,
  options: RemoteOptions,
  ask: Ask,
): Table {
  const form = options.asWritten === true ? (key: string) => key : foldingOf(context);
  const table = new RemoteTable(spec, form, options, ask);
  return {
    spec,
    pattern: options.pattern ?? false,
    lookup: (key) => table.lookup(key),
    close: () => table.close(),
  };
}

class RemoteTable {
  readonly #spec: string;
  readonly #form: (key: string) => string;
  readonly #options: RemoteOptions;
  readonly #ask: Ask;
  readonly #underWay = new Map<string, Promise<Answer>>();
  readonly #closing = new AbortController();
  #asking = 0;

  constructor(spec: string, form: (key: string) => string, options: RemoteOptions, ask: Ask) {
    this.#spec = spec;
    this.#form = form;
    this.#options = options;
    this.#ask = ask;
  }

  lookup(given: string): MaybeAsync<Answer> {
    const key = this.#form(given);
    const same = this.#underWay.get(key);
    if (same !== undefined) return same;
    if (this.#closing.signal.aborted) return this.#trouble(this.#closing.signal.reason);
    const limit = this.#options.limit ?? LOOKUPS_AT_A_TIME;
    if (this.#asking >= limit) {
      return this.#trouble(new LookupFault(`${limit} lookups are waiting for the server already`));
    }
    return this.#start(key);
  }

  close(): void {
    this.#closing.abort(new TableClosed());
    this.#options.close?.();
  }

  #start(key: string): MaybeAsync<Answer> {
    const limit = new AbortController();
    let answer: MaybeAsync<Answer>;
    try {
      answer = this.#ask(key, limit.signal);
    } catch (error) {
      return this.#trouble(error);
    }
    if (!isPromise(answer)) return answer;
    const promise = this.#within(limit, answer).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, promise);
    return promise;
  }

  /** The answer, or trouble when it does not come in time or the table is closed meanwhile. */
  #within(limit: AbortController, answer: Promise<Answer>): Promise<Answer> {
    this.#asking++;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const giveUp = (fault: LookupFault) => {
      limit.abort(fault);
      resolve(this.#trouble(fault));
    };
    const { deadline } = this.#options;
    const seconds = deadline / 1000;
    const cancel = systemClock.after(
      deadline,
      () => giveUp(new LookupFault(`no answer within ${seconds} seconds`)),
    );
    const closed = () => giveUp(this.#closing.signal.reason);
    this.#closing.signal.addEventListener("abort", closed, { once: true });
    answer.then(resolve, (error) => resolve(this.#trouble(error))).finally(() => {
      this.#asking--;
      cancel();
      this.#closing.signal.removeEventListener("abort", closed);
    });
    return promise;
  }

  #trouble(error: unknown): Answer {
    const [retry, isWhole] = error instanceof LookupFault ? [error.retry, error.isWhole] : [true, false];
    const reason = systemErrorText(error);
    if (isWhole) return { is: "trouble", retry, why: reason };
    const why = `table ${this.#spec} lookup error: ${reason}`;
    return { is: "trouble", retry, why, part: { of: "lookup", reason } };
  }
}
