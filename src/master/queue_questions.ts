import type { WorkerArgs, WorkerResult, WorkerVerb } from "../worker/protocol/worker_verbs.ts";
import { OWNERSHIP } from "../queue/file_store/open_store.ts";
import { ServiceFault } from "./control/service_fault.ts";
import type { WorkerProcess } from "./worker_process.ts";
import type { AskOptions } from "./worker_question.ts";

/** How long a worker may be silent, in milliseconds: a long listing trickles, a hung worker must not hang the tool. */
const TIME_LIMIT = 120_000;

/** How workers are asked. */
export type QuestionOptions<V extends WorkerVerb> = Omit<AskOptions<V>, "timeout">;

function nobody(): never {
  throw new ServiceFault("unavailable", "no worker is serving at the moment; try again");
}

/** Asks one worker: what it is asked has one answer, whoever gives it. */
export async function askOne<V extends WorkerVerb>(
  [worker]: readonly WorkerProcess[],
  verb: V,
  args: WorkerArgs<V>,
  options: QuestionOptions<V> = {},
): Promise<WorkerResult<V>> {
  return await (worker ?? nobody()).ask(verb, args, { ...options, timeout: TIME_LIMIT });
}

/** Asks whoever has messages of his own: every worker, or one where all have the same. */
export async function askAll<V extends WorkerVerb>(
  workers: readonly WorkerProcess[],
  verb: V,
  args: WorkerArgs<V>,
  options: QuestionOptions<V> = {},
): Promise<readonly WorkerResult<V>[]> {
  if (workers.length === 0) nobody();
  const asked = OWNERSHIP === "worker" ? workers : workers.slice(0, 1);
  return await Promise.all(asked.map((each) => each.ask(verb, args, { ...options, timeout: TIME_LIMIT })));
}
