import type { Child, ChildHandler, ChildOptions } from "../platform/process/spawn.ts";
import {
  type FromWorker,
  isMessage,
  type ToWorker,
  type WorkerArguments,
  type WorkerVerb,
} from "../worker/worker_protocol.ts";

/** How a worker ended. */
export interface WorkerExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error?: Error;
}

/** What master hears of a worker beside the answers to its questions. */
export interface WorkerHandler {
  ready(): void;
  /** It will not work with this configuration, and ends. */
  unfit(why: string): void;
  shardTaken(): void;
  metrics(message: Extract<FromWorker, { is: "metrics" }>): void;
  /** Something only master can do; the promise's value goes back. */
  request(what: string, args: WorkerArguments): Promise<unknown>;
  exit(how: WorkerExit): void;
}

interface Pending {
  rows(rows: readonly unknown[]): void;
  settle(value: { readonly done: unknown } | { readonly error: string }): void;
}

/** A question to one worker failed. */
export class WorkerFault extends Error {
  override readonly name = "WorkerFault";
}

/** One worker process: typed messages there and back, questions with answers. */
export class WorkerProcess {
  readonly pid: number | undefined;
  readonly #child: Child;
  readonly #handler: WorkerHandler;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  constructor(
    spawn: (options: ChildOptions, handler: ChildHandler) => Child,
    options: ChildOptions,
    handler: WorkerHandler,
  ) {
    this.#handler = handler;
    this.#child = spawn(options, {
      message: (message) => {
        if (isMessage<FromWorker>(message)) this.#take(message);
      },
      exit: (how) => this.#exited(how),
    });
    this.pid = this.#child.pid;
  }

  send(message: ToWorker): void {
    this.#child.send(message);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Asks; rejects with WorkerFault when the worker refuses, dies, or takes longer than `timeout` milliseconds. */
  ask(
    verb: WorkerVerb,
    args: WorkerArguments,
    timeout: number,
    rows: (rows: readonly unknown[]) => void = () => {},
  ): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle({ error: `no answer from process ${this.pid}` }), timeout);
      const settle: Pending["settle"] = (value) => {
        clearTimeout(timer);
        this.#pending.delete(id);
        if ("done" in value) resolve(value.done);
        else reject(new WorkerFault(value.error));
      };
      this.#pending.set(id, { rows, settle });
      this.send({ is: "ask", id, verb, args });
    });
  }

  #take(message: FromWorker): void {
    switch (message.is) {
      case "ready":
        return this.#handler.ready();
      case "unfit":
        return this.#handler.unfit(message.why);
      case "shard taken":
        return this.#handler.shardTaken();
      case "metrics":
        return this.#handler.metrics(message);
      case "rows":
        return this.#pending.get(message.id)?.rows(message.rows);
      case "done":
        return this.#pending.get(message.id)?.settle({ done: message.value });
      case "error":
        return this.#pending.get(message.id)?.settle({ error: message.why });
      case "request":
        return void this.#answer(message);
    }
  }

  async #answer({ id, what, args }: Extract<FromWorker, { is: "request" }>): Promise<void> {
    try {
      this.send({ is: "answer", id, value: await this.#handler.request(what, args) });
    } catch (error) {
      this.send({
        is: "answer",
        id,
        value: { error: error instanceof Error ? error.message : String(error) },
      });
    }
  }

  #exited(how: WorkerExit): void {
    for (const pending of [...this.#pending.values()]) pending.settle({ error: `process ${this.pid} ended` });
    this.#handler.exit(how);
  }
}
