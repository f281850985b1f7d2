import { Misfit } from "../base/shape.ts";
import type { ToWorker } from "../worker/protocol/worker_protocol.ts";
import {
  WORKER_VERBS,
  type WorkerResult,
  type WorkerRow,
  type WorkerVerb,
} from "../worker/protocol/worker_verbs.ts";
import { type FaultKind, reportOf, ServiceFault } from "./control/service_fault.ts";

/** How a worker is asked. */
export interface AskOptions<V extends WorkerVerb> {
  /** Longest time without a sign of the worker, in milliseconds. */
  readonly timeout: number;
  /** Takes rows; the worker sends no more until the promise is settled. */
  readonly rows?: (rows: readonly WorkerRow<V>[]) => Promise<void> | void;
  /** The answer is not wanted any more. */
  readonly signal?: AbortSignal;
}

/** A question to a worker that is not answered yet. What comes is checked against its verb. */
export class WorkerQuestion<V extends WorkerVerb> {
  readonly id: number;
  readonly #verb: V;
  readonly #pid: number | undefined;
  readonly #options: AskOptions<V>;
  readonly #tell: (message: ToWorker) => void;
  readonly #over: () => void;
  readonly #answer = Promise.withResolvers<WorkerResult<V>>();
  #timer: NodeJS.Timeout | undefined;
  #isTaking = false;
  #isOver = false;

  /** `over` hears once when it is settled, one way or the other. */
  constructor(
    { id, verb, pid }: { readonly id: number; readonly verb: V; readonly pid: number | undefined },
    options: AskOptions<V>,
    { tell, over }: { readonly tell: (message: ToWorker) => void; readonly over: () => void },
  ) {
    this.id = id;
    this.#verb = verb;
    this.#pid = pid;
    this.#options = options;
    this.#tell = tell;
    this.#over = over;
    this.#wait();
    options.signal?.addEventListener("abort", this.#cancel, { once: true });
  }

  get answer(): Promise<WorkerResult<V>> {
    return this.#answer.promise;
  }

  readonly #cancel = (): void => this.fail("unavailable", "nobody waits for the answer");

  #wait(): void {
    const silent = () => this.fail("unavailable", `no answer from process ${this.#pid}`);
    this.#timer = setTimeout(silent, this.#options.timeout);
  }

  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#cancel);
    this.#over();
    return true;
  }

  rows(value: unknown): void {
    const rows = WORKER_VERBS[this.#verb].rows(value);
    if (rows instanceof Misfit) return this.fail("failed", `${this.#verb}: malformed rows: ${rows}`);
    if (this.#isTaking) return this.fail("failed", `${this.#verb}: rows that nobody asked for`);
    void this.#take(rows).catch((error) => this.fail("failed", reportOf(error).why));
  }

  async #take(rows: readonly WorkerRow<V>[]): Promise<void> {
    this.#isTaking = true;
    clearTimeout(this.#timer);
    await this.#options.rows?.(rows);
    this.#isTaking = false;
    if (this.#isOver) return;
    this.#wait();
    this.#tell({ is: "more", id: this.id });
  }

  done(value: unknown): void {
    const result = WORKER_VERBS[this.#verb].result(value);
    if (result instanceof Misfit) this.fail("failed", `${this.#verb}: malformed answer: ${result}`);
    else if (this.#end()) this.#answer.resolve(result);
  }

  fail(kind: FaultKind, why: string): void {
    if (!this.#end()) return;
    this.#tell({ is: "cancel", id: this.id });
    this.#answer.reject(new ServiceFault(kind, why));
  }
}
