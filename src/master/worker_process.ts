import { readJson } from "../base/bounded_json.ts";
import { Misfit } from "../base/shape.ts";
import type { Child, ChildHandler, ChildOptions } from "../platform/socket/child.ts";
import {
  isMasterVerb,
  MASTER_VERBS,
  type MasterArgs,
  type MasterResult,
  type MasterVerb,
} from "../worker/protocol/master_verbs.ts";
import {
  type FromWorker,
  fromWorker,
  LONGEST_OF_WORKER,
  type ToWorker,
} from "../worker/protocol/worker_protocol.ts";
import type { WorkerArgs, WorkerResult, WorkerVerb } from "../worker/protocol/worker_verbs.ts";
import { type FaultKind, reportOf, ServiceFault } from "./control/service_fault.ts";
import { type AskOptions, WorkerQuestion } from "./worker_question.ts";

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
  metrics(message: Extract<FromWorker, { is: "metrics" }>): void;
  /** Something only master can do; the promise's value goes back. */
  request<V extends MasterVerb>(verb: V, args: MasterArgs<V>): Promise<MasterResult<V>>;
  /** It sent what is no message. Said once of each worker. */
  malformed(why: string): void;
  exit(how: WorkerExit): void;
}

/** What a question that is not answered yet hears. */
interface Pending {
  rows(value: unknown): void;
  done(value: unknown): void;
  fail(kind: FaultKind, why: string): void;
}

/** Requests that a worker may have waiting: it has no use for more, as each is a delivery or a batch of clients. */
const MOST_REQUESTS = 5000;

/** Bytes of messages that wait for a worker to read them, at most: it is asked nothing more then. */
const MOST_BACKLOG = 1024 * 1024;

/** One worker process: typed messages there and back, questions with answers. What it says is checked like a stranger's. */
export class WorkerProcess {
  readonly pid: number | undefined;
  readonly #child: Child;
  readonly #handler: WorkerHandler;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #requests = 0;
  #isMalformed = false;
  #isGone = false;

  constructor(
    spawn: (options: ChildOptions, handler: ChildHandler) => Child,
    options: Omit<ChildOptions, "longestMessage">,
    handler: WorkerHandler,
  ) {
    this.#handler = handler;
    this.#child = spawn({ ...options, longestMessage: LONGEST_OF_WORKER }, {
      message: (line) => this.#read(line),
      exit: (how) => this.#exited(how),
    });
    this.pid = this.#child.pid;
  }

  send(message: ToWorker): void {
    this.#child.send(JSON.stringify(message));
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Asks; rejects with ServiceFault when the worker refuses, dies, or is silent for too long. */
  ask<V extends WorkerVerb>(verb: V, args: WorkerArgs<V>, options: AskOptions<V>): Promise<WorkerResult<V>> {
    if (this.#child.backlog > MOST_BACKLOG) {
      return Promise.reject(new ServiceFault("busy", `process ${this.pid} does not read what it is asked`));
    }
    // Who asks several in turn may come to it late: nothing would tell him any more.
    if (this.#isGone) return Promise.reject(this.#ended());
    if (options.signal?.aborted === true) return Promise.reject(options.signal.reason);
    const id = ++this.#lastId;
    const { pid } = this;
    this.send({ is: "ask", id, verb, args });
    const question = new WorkerQuestion({ id, verb, pid }, options, {
      tell: (message) => this.send(message),
      over: () => void this.#pending.delete(id),
    });
    this.#pending.set(id, question);
    return question.answer;
  }

  #read(line: string): void {
    const message = readJson(line, fromWorker);
    if (!(message instanceof Misfit)) return this.#take(message);
    if (!this.#isMalformed) this.#handler.malformed(String(message));
    this.#isMalformed = true;
  }

  #take(message: FromWorker): void {
    switch (message.is) {
      case "ready":
        return this.#handler.ready();
      case "unfit":
        return this.#handler.unfit(message.why);
      case "metrics":
        return this.#handler.metrics(message);
      case "rows":
        return this.#pending.get(message.id)?.rows(message.rows);
      case "done":
        return this.#pending.get(message.id)?.done(message.value);
      case "fault":
        return this.#pending.get(message.id)?.fail(message.fault.kind, message.fault.why);
      case "request":
        return void this.#request(message);
    }
  }

  async #request({ id, what, args }: Extract<FromWorker, { is: "request" }>): Promise<void> {
    this.#requests++;
    try {
      if (this.#requests > MOST_REQUESTS) throw new ServiceFault("busy", "too many requests at a time");
      if (!isMasterVerb(what)) throw new ServiceFault("malformed", `master does not know "${what}"`);
      this.send({ is: "answer", id, value: await this.#perform(what, args) });
    } catch (error) {
      this.send({ is: "refusal", id, fault: reportOf(error) });
    } finally {
      this.#requests--;
    }
  }

  #perform<V extends MasterVerb>(verb: V, given: unknown): Promise<MasterResult<V>> {
    const args = MASTER_VERBS[verb].args(given);
    if (args instanceof Misfit) throw new ServiceFault("malformed", `${verb}: ${args}`);
    return this.#handler.request(verb, args);
  }

  #ended(): ServiceFault {
    return new ServiceFault("unavailable", `process ${this.pid} ended`);
  }

  #exited(how: WorkerExit): void {
    this.#isGone = true;
    for (const pending of [...this.#pending.values()]) {
      pending.fail("unavailable", `process ${this.pid} ended`);
    }
    this.#handler.exit(how);
  }
}
