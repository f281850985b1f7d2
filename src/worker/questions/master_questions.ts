import { Misfit } from "../../base/shape.ts";
import { type FaultReport, ServiceFault } from "../../master/control/service_fault.ts";
import {
  type AskMaster,
  MASTER_VERBS,
  type MasterArgs,
  type MasterResult,
  type MasterVerb,
} from "../protocol/master_verbs.ts";
import type { FromWorker } from "../protocol/worker_protocol.ts";

/** How a question is settled, by a value that has yet to be checked. */
interface Pending {
  settle(value: unknown): void;
  refuse(fault: ServiceFault): void;
}

/** What a worker has asked of master and not yet heard. */
export class MasterQuestions {
  readonly #send: (message: FromWorker) => void;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  readonly ask: AskMaster = <V extends MasterVerb>(
    verb: V,
    args: MasterArgs<V>,
  ): Promise<MasterResult<V>> => {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<MasterResult<V>>();
    this.#pending.set(id, {
      settle(value) {
        const result = MASTER_VERBS[verb].result(value);
        if (result instanceof Misfit) answer.reject(new ServiceFault("malformed", `${verb}: ${result}`));
        else answer.resolve(result);
      },
      refuse: answer.reject,
    });
    this.#send({ is: "request", id, what: verb, args });
    return answer.promise;
  };

  answered(id: number, value: unknown): void {
    this.#take(id)?.settle(value);
  }

  refused(id: number, { kind, why }: FaultReport): void {
    this.#take(id)?.refuse(new ServiceFault(kind, why));
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}
