import { Misfit } from "../../base/shape.ts";
import { reportOf, ServiceFault } from "../../master/control/service_fault.ts";
import type { FromWorker, ToWorker } from "../protocol/worker_protocol.ts";
import type { WorkerParts } from "./worker_parts.ts";
import { WORKER_ANSWERS } from "./worker_questions.ts";
import { isWorkerVerb, WORKER_VERBS, type WorkerVerb } from "../protocol/worker_verbs.ts";

/** A question that is being answered. */
interface Asked {
  /** Master has taken the rows that were sent. */
  more: () => void;
  cancelled: boolean;
}

/** Answers what master asks: rows go when those before have been taken, and not at all when nobody waits any more. */
export class Answering {
  readonly #send: (message: FromWorker) => void;
  readonly #asked = new Map<number, Asked>();

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  async answer(
    { id, verb, args }: Extract<ToWorker, { is: "ask" }>,
    parts: WorkerParts | undefined,
  ): Promise<void> {
    const asked: Asked = { more: () => {}, cancelled: false };
    this.#asked.set(id, asked);
    try {
      if (!isWorkerVerb(verb)) throw new ServiceFault("malformed", `"${verb}" is not known to the workers`);
      if (parts === undefined) throw new ServiceFault("unavailable", "the worker does not serve yet");
      const value = await this.#perform(verb, args, parts, { id, asked });
      this.#send({ is: "done", id, value });
    } catch (error) {
      if (!asked.cancelled) this.#send({ is: "fault", id, fault: reportOf(error) });
    } finally {
      this.#asked.delete(id);
    }
  }

  async #perform<V extends WorkerVerb>(
    verb: V,
    given: unknown,
    parts: WorkerParts,
    { id, asked }: { readonly id: number; readonly asked: Asked },
  ): Promise<unknown> {
    const args = WORKER_VERBS[verb].args(given);
    if (args instanceof Misfit) throw new ServiceFault("malformed", `${verb}: ${args}`);
    const stillAsked = () => {
      if (asked.cancelled) throw new ServiceFault("unavailable", "nobody waits for the answer");
    };
    const send = async (rows: readonly unknown[]): Promise<void> => {
      stillAsked();
      const taken = new Promise<void>((resolve) => asked.more = resolve);
      this.#send({ is: "rows", id, rows });
      await taken;
    };
    return await WORKER_ANSWERS[verb](parts, args, send, stillAsked);
  }

  more(id: number): void {
    this.#asked.get(id)?.more();
  }

  cancel(id: number): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    asked.cancelled = true;
    asked.more();
  }
}
